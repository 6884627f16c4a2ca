-- +goose Up
-- Who was erased a short time ago, so that dead letters of theirs that come late are forgotten, too.
create table forgotten (
  user_id uuid primary key,
  at      timestamptz not null default now()
);
