-- +goose Up
alter table orders
  add column trace  text not null default '',          -- W3C traceparent of the request that placed it
  add column erased boolean not null default false;    -- its buyer is no more: what is personal goes when the order is at its end
