-- +goose Up
alter table simulated_ledger add column refunded numeric not null default 0;

update simulated_ledger set refunded = amount where state = 'refunded';

alter table simulated_ledger add constraint simulated_ledger_refunded check (refunded between 0 and amount);

-- What went back, each refund once.
create table simulated_refunds (
  id     uuid primary key,
  key    uuid not null references simulated_ledger,
  amount numeric not null check (amount >= 0),
  at     timestamptz not null default now()
);

create index simulated_refunds_by_charge on simulated_refunds (key);
