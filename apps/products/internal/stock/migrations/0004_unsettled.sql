-- +goose Up

-- What may expire is found by what is not settled, which is the same as held. The index was on "state = 'held'", and statements that
-- look at one order say that, too: to the planner this index, of few rows when it last counted, was cheaper than the primary
-- key, and in a crowd each order then read all that was held.
set local statement_timeout = 0; -- a table of all that was ever sold takes as long as it takes; it is read meanwhile, not written
create index reservations_unsettled on reservations (expires_at) where settled_at is null;
