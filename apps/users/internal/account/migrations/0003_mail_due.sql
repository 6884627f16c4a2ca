-- +goose Up
-- A failed request is due again then, and delays no other.
alter table mail_requests add column due_at timestamptz not null default now();
