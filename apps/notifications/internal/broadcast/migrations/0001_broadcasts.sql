-- +goose Up
create table broadcasts (
  id          uuid primary key,
  title       text not null check (title <> ''),
  body        text not null check (body <> ''),
  role        text not null,                   -- empty: all users
  state       text not null default 'running' check (state in ('running', 'done')),
  total       integer not null,
  told        integer not null default 0,
  last_user   uuid not null default '00000000-0000-0000-0000-000000000000',
  created_by  uuid not null,
  created_at  timestamptz not null default now(),
  finished_at timestamptz
);

create index broadcasts_running on broadcasts (created_at) where state = 'running';
