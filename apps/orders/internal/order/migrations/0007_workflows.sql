-- +goose Up
-- A refund has a workflow of its own, which is purged some time after its end.
alter table refunds add column followed boolean not null default true; -- its workflow may still be there

update refunds set followed = false where settled_at is not null or failed_at is not null;

create index refunds_to_purge on refunds (coalesce(settled_at, failed_at), id) where followed;
