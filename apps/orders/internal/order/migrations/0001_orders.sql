-- +goose Up
create table orders (
  id               uuid primary key,       -- UUIDv7: in the order they were placed
  number           text not null unique,
  user_id          uuid not null,
  status           text not null check (status in
    ('pending', 'paid', 'shipped', 'delivered', 'cancelled', 'refunded', 'partially_refunded')),
  items            jsonb not null,         -- what was bought, as it was called and cost then
  total            numeric not null check (total >= 0),
  currency         char(3) not null,
  shipping_address jsonb not null,
  payment_method   text not null,
  payment_token    text not null,          -- a provider's stand-in for a card; never a card
  placed_at        timestamptz not null default now(),
  updated_at       timestamptz not null default now()
);

create index orders_by_user on orders (user_id, id desc);
create index orders_by_status on orders (status, id desc);

create table order_history (
  id       bigint generated always as identity primary key,
  order_id uuid not null references orders,
  status   text not null,
  at       timestamptz not null,
  by       text not null,
  reason   text not null default ''
);

create index order_history_by_order on order_history (order_id, id);
