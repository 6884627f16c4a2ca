-- +goose Up
alter table broadcasts rename column told to notified;
