-- +goose Up
-- What was sold, added up as it happens, in the transaction that makes it true. A day is a day of UTC, and what goes
-- back later counts on the day that its order was paid. Each sum is spread over slots, so that two orders of one moment
-- do not wait for one row.
create table sales (
  day      date not null,
  currency char(3) not null,
  slot     smallint not null,
  orders   bigint not null,     -- paid and not fully refunded
  gross    numeric not null,
  refunded numeric not null,
  primary key (day, currency, slot)
) with (fillfactor = 70);

create table product_sales (
  day        date not null,
  currency   char(3) not null,
  product_id bigint not null,
  slot       smallint not null,
  quantity   bigint not null,   -- not refunded
  revenue    numeric not null,
  sku        text not null,     -- as it was called last
  name       text not null,
  primary key (day, currency, product_id, slot)
) with (fillfactor = 70);

insert into sales (day, currency, slot, orders, gross, refunded)
select (paid_at at time zone 'utc')::date, currency, 0, count(*) filter (where refunded < total or total = 0), sum(total), sum(refunded)
from orders where paid_at is not null group by 1, 2;

insert into product_sales (day, currency, product_id, slot, quantity, revenue, sku, name)
select (o.paid_at at time zone 'utc')::date, o.currency, i.product_id, 0, sum(i.quantity - coalesce(r.quantity, 0)),
  sum(i.unit_price * (i.quantity - coalesce(r.quantity, 0))), max(i.sku), max(i.name)
from orders o cross join jsonb_to_recordset(o.items) as i (product_id bigint, sku text, name text, quantity int, unit_price numeric)
left join lateral (
  select sum(b.quantity) as quantity from refunds f, jsonb_to_recordset(f.items) as b (product_id bigint, quantity int)
  where f.order_id = o.id and b.product_id = i.product_id
) r on true
where o.paid_at is not null group by 1, 2, 3;
