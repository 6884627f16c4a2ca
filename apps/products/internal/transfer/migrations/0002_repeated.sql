-- +goose Up
-- An import with an Idempotency-Key, so that the same file sent again answers the same report. Neither key nor file is kept, only
-- their hashes, and all three go after a day.
alter table imports add column key bytea, add column digest bytea, add column report jsonb;
create unique index imports_by_key on imports (by, key) where key is not null;
create index imports_with_key on imports (started_at) where key is not null;
