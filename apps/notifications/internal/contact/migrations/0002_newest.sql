-- +goose Up
-- The ids of the events that the profile and the role are from, so that late events change nothing. Null: not stored.
alter table contacts add column profile_event uuid;
alter table contacts add column role_event uuid;
