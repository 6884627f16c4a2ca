-- +goose Up
alter table deliveries add column sent_with uuid; -- the first job of its digest, which tracking tokens name
