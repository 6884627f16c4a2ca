-- +goose Up

-- When the release of an expired reservation is tried again, if it failed. expires_at stays what callers were told.
alter table reservations add column due_at timestamptz;
