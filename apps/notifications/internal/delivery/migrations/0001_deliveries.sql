-- +goose Up
create table deliveries (
  id           uuid primary key,              -- UUIDv7
  message_id   uuid not null,
  user_id      uuid not null,
  kind         text not null,
  channel      text not null check (channel in ('email', 'push', 'sms')),
  lane         smallint not null,
  facts        jsonb not null,                -- of the template; emptied when it was sent or skipped
  path         text not null default '',
  request_id   uuid,
  address      text not null default '',
  state        text not null default 'waiting' check (state in ('waiting', 'sending', 'sent', 'dead', 'skipped')),
  reason       text not null default '',
  attempts     integer not null default 0,
  refusals     integer not null default 0,
  due_at       timestamptz not null,
  give_up_at   timestamptz not null,
  leased_until timestamptz,
  created_at   timestamptz not null default now(),
  finished_at  timestamptz,
  unique (message_id, channel)                -- one delivery on each channel
);

create index deliveries_due on deliveries (channel, lane, due_at) where state in ('waiting', 'sending');
create index deliveries_in_line on deliveries (user_id, channel, lane, id) where state in ('waiting', 'sending');
create index deliveries_of_day on deliveries (created_at);

create table attempts (                       -- the history; it has no address and no content
  id          bigint generated always as identity primary key,
  delivery_id uuid not null references deliveries on delete cascade,
  number      integer not null,
  outcome     text not null check (outcome in ('sent', 'refused', 'failed', 'unknown', 'skipped')),
  provider    text not null,
  answer      text not null,
  latency_ms  integer not null,
  at          timestamptz not null default now()
);

create index attempts_of_delivery on attempts (delivery_id);
