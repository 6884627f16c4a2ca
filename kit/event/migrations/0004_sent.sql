-- +goose Up
-- Published events, for as long as consumers may detect gaps.
create table sent (
  id         uuid primary key,
  topic      text not null,
  key        text not null,
  version    int not null,
  data       json not null,
  trace      text not null,
  emitted_at timestamptz not null,
  sent_at    timestamptz not null default clock_timestamp()
);

create index sent_by_time on sent (sent_at, id);

-- The checkpoint of gap detection for each publisher.
create table compared (
  teller  text primary key,
  sent_at timestamptz not null,
  id      uuid not null
);
