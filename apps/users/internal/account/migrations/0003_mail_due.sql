-- +goose Up
-- A request that cannot be answered stands aside until then, and holds up no other.
alter table mail_requests add column due_at timestamptz not null default now();
