-- +goose Up
-- The tables are named after what they hold: published events, gap detection's checkpoints, erased users.
alter table sent rename to published;
alter table published rename column sent_at to published_at;
alter index sent_by_time rename to published_by_time;
alter index sent_by_key rename to published_by_key;
alter table compared rename to checkpoints;
alter table checkpoints rename column teller to publisher;
alter table checkpoints rename column sent_at to published_at;
alter table inbox rename column heard_at to handled_at;
alter table forgotten rename to erased_users;
