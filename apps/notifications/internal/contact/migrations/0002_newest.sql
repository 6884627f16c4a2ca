-- +goose Up
-- Which events said what is known, so that an older one that comes late changes nothing; null where nobody noted it.
alter table contacts add column profile_event uuid;
alter table contacts add column role_event uuid;
