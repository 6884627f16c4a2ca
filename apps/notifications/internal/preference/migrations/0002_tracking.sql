-- +goose Up
alter table preferences add column tracking boolean not null default false; -- may the shop learn that a mail was opened
