-- +goose Up

-- By itself: whoever drops it locks the table from everybody, which may not last as long as the making of the new one.
drop index reservations_to_expire;
