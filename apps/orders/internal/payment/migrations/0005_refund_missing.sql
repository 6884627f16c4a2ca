-- +goose Up
alter table payment_findings drop constraint payment_findings_kind_check;
alter table payment_findings add constraint payment_findings_kind_check
  check (kind in ('charged_without_order', 'charged_and_cancelled', 'paid_without_charge', 'amount_differs', 'refund_refused', 'refund_missing'));
