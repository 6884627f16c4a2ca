-- +goose Up
create table simulated_ledger (
  key        uuid primary key,  -- of the order
  amount     numeric not null check (amount >= 0),
  currency   char(3) not null,
  state      text not null check (state in ('trying', 'approved', 'declined', 'refunded')),
  attempts   int not null,
  begun_at   timestamptz not null default now(),
  settled_at timestamptz
);
