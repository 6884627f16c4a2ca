-- +goose Up
create table templates (                       -- of admins; the newest version is used
  kind       text not null,
  channel    text not null,
  language   text not null,
  version    integer not null check (version > 0),
  title      text not null,
  body       text not null,
  html       text not null,
  changed_by uuid not null,
  changed_at timestamptz not null default now(),
  primary key (kind, channel, language, version)
);
