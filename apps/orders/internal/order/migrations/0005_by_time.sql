-- +goose Up
-- Orders are counted by when they were placed, which is what people read, and not by the moment in their ids.
create index orders_by_status_and_time on orders (status, placed_at);
