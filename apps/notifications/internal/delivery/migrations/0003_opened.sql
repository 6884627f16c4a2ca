-- +goose Up
alter table deliveries                         -- by tracking, if the user allows it
  add column opened_at  timestamptz,
  add column clicked_at timestamptz;
