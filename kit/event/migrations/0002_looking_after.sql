-- +goose Up
alter table outbox add column version int not null default 1;  -- of the schema of data

create index inbox_by_time on inbox (heard_at);

-- Why deliveries failed, for the dead letters that they may become; forgotten with the inbox.
create table failures (
  event_id  uuid primary key,
  topic     text not null,
  reason    text not null,
  attempts  int not null default 1,
  failed_at timestamptz not null default now()
);

alter table dead_letters add column reason text not null default '';  -- of the last failure; empty where none was noted
alter table dead_letters add column attempts int not null default 0;

create index dead_letters_by_time on dead_letters (died_at, event_id);
