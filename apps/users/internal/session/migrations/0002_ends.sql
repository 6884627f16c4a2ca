-- +goose Up
-- A session that has ended is also what every service refuses tokens by, for as long as an access token of it may live.
-- ended_in is the transaction that ended it: whoever has seen everything up to a snapshot asks for what came after it, which
-- a time cannot say, because transactions do not commit in the order in which they began.
alter table sessions add column ended_in xid8;
alter table sessions add constraint sessions_ended check ((ended_at is null) = (end_reason is null));

create index sessions_by_end on sessions (ended_at) where ended_at is not null;
