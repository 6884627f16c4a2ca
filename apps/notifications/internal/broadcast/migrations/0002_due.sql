-- +goose Up
-- A broadcast that fails is postponed, so that it does not block others.
alter table broadcasts add column due_at timestamptz not null default now();
