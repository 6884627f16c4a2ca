-- +goose Up
-- The key that signs the cursors of this service's lists, the same at all replicas.
create table cursor_keys (
  single bool primary key default true check (single),
  key    bytea not null check (length(key) = 32)
);

insert into cursor_keys (key) values (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));
