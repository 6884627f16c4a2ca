-- +goose Up
-- A row that could not be looked at is looked at again later, and later each time, and holds up no other.
alter table payment_findings
  add column attempts int not null default 0,
  add column look_at  timestamptz not null default now();

alter table payment_findings drop constraint payment_findings_kind_check;
alter table payment_findings add constraint payment_findings_kind_check
  check (kind in ('charged_without_order', 'charged_and_cancelled', 'paid_without_charge', 'amount_differs', 'refund_refused', 'refund_missing',
    'not_compared'));
