-- +goose Up
create table stock (
  product_id bigint primary key references products,
  on_hand    int not null check (on_hand >= 0),
  reserved   int not null check (reserved >= 0),
  check (reserved <= on_hand)  -- overselling is impossible, whatever the code does
) with (fillfactor = 70);      -- hot rows: leave room for updates in place

create table movements (
  id         bigint generated always as identity primary key,
  product_id bigint not null references products,
  delta      int not null check (delta <> 0),  -- the sum over a product is its on_hand
  reason     text not null,
  order_id   uuid,
  moved_at   timestamptz not null default now()
);

create index movements_by_product on movements (product_id, id desc);

create table reservations (
  order_id   uuid primary key,
  state      text not null check (state in ('held', 'committed', 'released', 'returned')),
  expires_at timestamptz not null,
  settled_at timestamptz
);

create index reservations_to_expire on reservations (expires_at) where state = 'held';

create table reservation_lines (
  order_id   uuid not null references reservations,
  product_id bigint not null references products,
  quantity   int not null check (quantity > 0),
  primary key (order_id, product_id)
);
