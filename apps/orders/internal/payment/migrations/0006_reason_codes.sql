-- +goose Up
-- Why something ended is kept as a code; its text is made where it is shown. reason stays for what people write, and
-- for what has no code.
alter table payments add column reason_code text not null default '';

update payments t set reason_code = r.code, reason = '' from (values
  ('requested', 'cancelled by request'),
  ('unpaid', 'it was not paid in time'),
  ('stock_gone', 'its stock was given back before it was paid'),
  ('payment_declined', 'the payment was declined'),
  ('card_declined', 'the card was declined'),
  ('card_expired', 'the card has expired'),
  ('insufficient_funds', 'there are not enough funds'),
  ('not_confirmed', 'the bank asks for a confirmation that was not given'),
  ('no_such_method', 'there is no such payment method'),
  ('called_off', 'the payment was called off')
) as r (code, said) where t.reason = r.said;
