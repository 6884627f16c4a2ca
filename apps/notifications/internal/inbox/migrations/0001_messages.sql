-- +goose Up
create table messages (
  id         uuid primary key,                 -- UUIDv7: ordered by creation
  user_id    uuid not null,
  kind       text not null check (kind <> ''), -- the topic of the event
  title      text not null check (title <> ''),
  body       text not null,
  data       jsonb not null check (jsonb_typeof(data) = 'object'),
  read_at    timestamptz,
  created_at timestamptz not null default now()
);

create index messages_of_user on messages (user_id, id);
create index messages_unread on messages (user_id, id) where read_at is null;
