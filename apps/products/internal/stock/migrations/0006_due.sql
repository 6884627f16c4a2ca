-- +goose Up

-- When to retry the release of an expired reservation that failed. expires_at stays as callers know it.
alter table reservations add column due_at timestamptz;
