-- +goose Up
create table categories (
  id          bigint generated always as identity primary key,
  name        text not null check (name <> ''),
  description text not null default '',
  slug        text not null unique,
  parent_id   bigint references categories check (parent_id <> id),
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now()
);

create index categories_by_parent on categories (parent_id);
