-- +goose Up
alter table deliveries add column sent_with uuid; -- the first of the digest that it went out in, which the picture and links of that mail name
create index deliveries_sent_with on deliveries (sent_with) where sent_with is not null;
