-- +goose Up
create table preferences (
  user_id     uuid primary key,
  language    text not null,
  time_zone   text not null,
  quiet_from  text not null default '',        -- 22:00 in that time zone; empty: no quiet hours
  quiet_until text not null default '',
  digest      text not null,
  phone       text not null default '',
  changed_at  timestamptz not null default now()
);

create table preference_kinds (                -- where they differ from the defaults
  user_id uuid not null,
  kind    text not null,
  channel text not null,
  wanted  boolean not null,
  primary key (user_id, kind, channel)
);
