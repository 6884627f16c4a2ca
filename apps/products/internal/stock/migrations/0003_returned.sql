-- +goose Up
-- How much of a sold line is restocked.
alter table reservation_lines add column returned int not null default 0 check (returned between 0 and quantity);
