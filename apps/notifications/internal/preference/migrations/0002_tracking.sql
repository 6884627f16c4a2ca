-- +goose Up
alter table preferences add column tracking boolean not null default false; -- of opened e-mails and followed links
