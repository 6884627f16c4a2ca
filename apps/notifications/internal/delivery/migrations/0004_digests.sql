-- +goose Up
alter table deliveries add column sent_with uuid; -- the first of the digest that it went out in, which the picture and links of that mail name
