-- +goose Up
create table imports (
  id         uuid primary key,
  by         uuid not null,                     -- the admin
  rows       int not null default 0,
  created    int not null default 0,
  updated    int not null default 0,
  unchanged  int not null default 0,
  failed     int not null default 0,
  state      text not null default 'running' check (state in ('running', 'done', 'broken')),
  started_at timestamptz not null default now(),
  seen_at    timestamptz not null default now()  -- last progress
);


