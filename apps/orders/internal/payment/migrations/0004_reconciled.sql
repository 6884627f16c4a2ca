-- +goose Up
-- How far the records of a provider were compared with the orders. All before until was compared at least once; walked
-- is the position of the backfill, which compares it again.
create table reconciliations (
  provider text primary key,
  until    timestamptz not null,
  walked   timestamptz not null
);

alter table payment_findings drop constraint payment_findings_kind_check;
alter table payment_findings add constraint payment_findings_kind_check
  check (kind in ('charged_without_order', 'charged_and_cancelled', 'paid_without_charge', 'amount_differs', 'refund_refused'));
create index payment_findings_open on payment_findings (id) where mended_at is null;

create index payments_by_time on payments (asked_at);

-- A charge with tok_refund_refused is never refunded.
alter table simulated_ledger add column refuses boolean not null default false;
