-- +goose Up
create table outbox (
  seq        bigint generated always as identity primary key,
  id         uuid not null unique,             -- the event's id, the same however often it is published
  topic      text not null,
  key        text not null,                    -- events of one key are published in the order of seq
  data       json not null,
  trace      text not null default '',         -- W3C traceparent of the request that caused it
  emitted_at timestamptz not null default now()
);

create table inbox (
  event_id uuid primary key,
  topic    text not null,
  heard_at timestamptz not null default now()
);

create table dead_letters (
  event_id uuid primary key,
  topic    text not null,
  event    json not null,                      -- the whole CloudEvent as it came
  died_at  timestamptz not null default now()
);

-- +goose StatementBegin
create function wake_relay() returns trigger language plpgsql as $$
begin
  perform pg_notify('outbox', '');
  return null;
end
$$;
-- +goose StatementEnd

create trigger outbox_wakes_relay after insert on outbox for each statement execute function wake_relay();
