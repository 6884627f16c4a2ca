-- +goose Up
create table devices (
  id         uuid primary key,
  user_id    uuid not null,
  label      text not null,
  endpoint   text not null unique,             -- one browser is one person's: whoever signs in there last
  p256dh     text not null,
  auth       text not null,
  created_at timestamptz not null default now()
);

create index devices_of_user on devices (user_id, id);
