-- +goose Up

-- rebuild_sales computes the sales again from the orders, after a change of orders without the service (make seed, a
-- manual repair). It may run at any time: a transaction that adds a sale meanwhile waits, and is not among the orders
-- that it reads.
-- +goose StatementBegin
create function rebuild_sales() returns void language plpgsql as $$
begin
  lock table sales, product_sales in share row exclusive mode;
  delete from sales;
  delete from product_sales;

  insert into sales (day, currency, slot, orders, gross, refunded)
  select (paid_at at time zone 'utc')::date, currency, 0, count(*) filter (where status not in ('cancelled', 'refunded')), sum(total), sum(refunded)
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
end
$$;
-- +goose StatementEnd
