-- +goose Up

-- A transaction of its own: dropping an index locks the table exclusively, and must not last as long as building the
-- new one.
drop index reservations_to_expire;
