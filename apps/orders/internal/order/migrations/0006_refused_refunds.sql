-- +goose Up
-- A refund that the provider refuses permanently waits for an admin and is not retried automatically.
alter table refunds
  add column failed_at timestamptz,
  add column failure   text not null default '',
  add column retries   int not null default 0,   -- by admins; each is another refund to the provider
  add constraint refunds_settled_or_failed check (settled_at is null or failed_at is null);

drop index refunds_to_settle;
create index refunds_to_settle on refunds (at) where settled_at is null and failed_at is null;
