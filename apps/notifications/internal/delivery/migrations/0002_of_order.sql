-- +goose Up
-- The order that a delivery is about, for whoever looks at that order: what it says is emptied once it has ended well.
alter table deliveries add column order_id uuid;
create index deliveries_of_order on deliveries (order_id) where order_id is not null;
