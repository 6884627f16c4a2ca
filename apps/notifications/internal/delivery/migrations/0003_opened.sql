-- +goose Up
alter table deliveries                         -- told by a mail itself, whose reader allowed that
  add column opened_at  timestamptz,
  add column clicked_at timestamptz;
