-- +goose Up
-- The payment of each order, at any provider. The row is inserted before the provider is called.
create table payments (
  order_id   uuid primary key,
  provider   text not null,
  amount     numeric not null check (amount >= 0),
  currency   char(3) not null,
  state      text not null check (state in ('asked', 'approved', 'declined', 'called_off')),
  reference  text not null default '',   -- the provider's name of it
  reason     text not null default '',   -- why it was declined
  attempts   int not null default 0,
  asked_at   timestamptz not null default now(),
  settled_at timestamptz
);

create index payments_asked on payments (asked_at) where state = 'asked';

-- Handled messages of providers, each once.
create table payment_notices (
  provider text not null,
  id       text not null,
  kind     text not null,
  order_id uuid,
  heard_at timestamptz not null default now(),
  primary key (provider, id)
);

create index payment_notices_by_order on payment_notices (order_id);

-- Discrepancies between the provider's records and the shop's, and their resolution.
create table payment_findings (
  id        bigint generated always as identity primary key,
  kind      text not null check (kind in ('charged_without_order', 'charged_and_cancelled', 'paid_without_charge', 'amount_differs')),
  order_id  uuid not null,
  provider  text not null,
  reference text not null,
  amount    numeric not null,
  currency  text not null,
  found_at  timestamptz not null default now(),
  mended_at timestamptz,                 -- null: an admin has to decide
  unique (kind, order_id)
);

-- tok_timeout is settled by the provider after a while.
alter table simulated_ledger add column settles_at timestamptz;
alter table simulated_ledger drop constraint simulated_ledger_state_check;
alter table simulated_ledger add constraint simulated_ledger_state_check
  check (state in ('trying', 'processing', 'approved', 'declined', 'refunded'));
create index simulated_ledger_by_time on simulated_ledger (begun_at);

-- Charges that were made before this table was there.
insert into payments (order_id, provider, amount, currency, state, reference, attempts, asked_at, settled_at)
select key, 'simulated', amount, currency, case state when 'approved' then 'approved' when 'declined' then 'declined' when 'refunded' then 'called_off' else 'asked' end,
  'sim_' || key, attempts, begun_at, settled_at
from simulated_ledger;
