-- +goose Up
-- A broadcast that cannot go on stands aside until then, and holds up no other.
alter table broadcasts add column due_at timestamptz not null default now();
