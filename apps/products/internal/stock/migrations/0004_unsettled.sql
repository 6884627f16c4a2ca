-- +goose Up

-- Expired reservations are found through a partial index on settled_at is null, which is the same as held. The former
-- index was on "state = 'held'", a condition that statements about one order have, too: with statistics of few held
-- rows, the planner preferred that index to the primary key, and under load each order then read all held reservations.
set local statement_timeout = 0; -- the table has all orders; building the index blocks writes, not reads
create index reservations_unsettled on reservations (expires_at) where settled_at is null;
