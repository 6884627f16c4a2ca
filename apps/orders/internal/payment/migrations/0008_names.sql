-- +goose Up
alter table payment_findings rename to payment_discrepancies;
alter table payment_discrepancies rename column mended_at to resolved_at;
alter table payment_discrepancies rename column look_at to retry_at;
alter table payment_notices rename to payment_webhooks;
alter table payment_webhooks rename column heard_at to received_at;
alter table reconciliations rename column walked to backfill;

alter table payments rename column asked_at to requested_at;
alter table payments drop constraint payments_state_check;
update payments set state = case state when 'asked' then 'pending' else 'voided' end where state in ('asked', 'called_off');
update payments set reason_code = 'payment_voided' where reason_code = 'called_off';
alter table payments add constraint payments_state_check check (state in ('pending', 'approved', 'declined', 'voided'));
drop index payments_asked;
