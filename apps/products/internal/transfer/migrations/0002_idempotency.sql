-- +goose Up
-- An import with an Idempotency-Key: the same file sent again returns the same report. key and digest are hashes of the
-- key and of the file. All three columns are reset to null after a day.
alter table imports add column key bytea, add column digest bytea, add column report jsonb;
create unique index imports_by_key on imports (by, key) where key is not null;
create index imports_with_key on imports (started_at) where key is not null;
