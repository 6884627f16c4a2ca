-- +goose Up
alter table orders
  add column paid_at         timestamptz,
  add column shipped_at      timestamptz,
  add column delivered_at    timestamptz,
  add column carrier         text not null default '',
  add column tracking_number text not null default '',
  add column refunded        numeric not null default 0,   -- of total, once it was paid
  add column followed        boolean not null default true, -- its workflow may still be there
  add constraint orders_refunded check (refunded >= 0 and refunded <= total);

update orders set refunded = total * 0; -- with the currency's decimals

update orders o set paid_at = h.at from order_history h where h.order_id = o.id and h.status = 'paid';

-- What has to go back to a buyer. A row is written in the transaction that decides it, and settled once it went back.
create table refunds (
  id         uuid primary key,            -- UUIDv7; also what a provider knows the refund by
  order_id   uuid not null references orders,
  items      jsonb not null,              -- which products of the order and how many of them
  amount     numeric not null check (amount >= 0),
  currency   char(3) not null,
  restock    boolean not null,            -- whether the goods are restocked
  calls_off  boolean not null,            -- the whole order ends: a charge in progress is voided, too
  reason     text not null,
  by         text not null,
  at         timestamptz not null default now(),
  settled_at timestamptz
);

create index refunds_by_order on refunds (order_id, id);
create index refunds_to_settle on refunds (at) where settled_at is null;

-- Orders that are at their end and whose workflow is to be forgotten.
create index orders_to_forget on orders (updated_at)
  where followed and (delivered_at is not null or status in ('cancelled', 'refunded'));

-- Orders that wait for something that happens by itself after a time.
create index orders_to_pay on orders (placed_at) where status = 'pending';
create index orders_to_ship on orders (paid_at) where status in ('paid', 'partially_refunded') and shipped_at is null;
create index orders_to_deliver on orders (shipped_at) where status in ('shipped', 'partially_refunded') and delivered_at is null;
