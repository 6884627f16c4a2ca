-- +goose Up
create table devices (
  id         uuid primary key,
  user_id    uuid not null,
  label      text not null,
  endpoint   text not null unique,             -- of the user who added it last
  p256dh     text not null,
  auth       text not null,
  created_at timestamptz not null default now()
);

create index devices_of_user on devices (user_id, id);
