-- +goose Up
-- The order that a delivery is about. Its variables, which name the order too, are emptied when it was sent.
alter table deliveries add column order_id uuid;
create index deliveries_of_order on deliveries (order_id) where order_id is not null;
