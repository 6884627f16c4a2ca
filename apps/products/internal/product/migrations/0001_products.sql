-- +goose Up
create table products (
  id                  bigint generated always as identity primary key,
  name                text not null check (name <> ''),
  description         text not null default '',
  sku                 text not null unique,
  slug                text not null,
  price               numeric not null check (price >= 0),  -- exact, with the decimals of its currency
  currency            char(3) not null,
  category_id         bigint not null references categories,
  brand               text not null default '',
  attributes          jsonb not null default '{}',
  low_stock_threshold int not null default 0 check (low_stock_threshold >= 0),
  archived_at         timestamptz,
  created_at          timestamptz not null default now(),
  updated_at          timestamptz not null default now()
);

create index products_by_category on products (category_id, id desc) where archived_at is null;
create index products_by_brand on products (brand, id desc) where archived_at is null;
