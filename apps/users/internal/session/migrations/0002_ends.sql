-- +goose Up
-- Every service refuses the access tokens of ended sessions. ended_in is the transaction that ended a session: a client
-- that has read all ends up to a snapshot requests the later ones. A time could not order these, because transactions
-- do not commit in the order of their start.
alter table sessions add column ended_in xid8;
alter table sessions add constraint sessions_ended check ((ended_at is null) = (end_reason is null));

create index sessions_by_end on sessions (ended_at) where ended_at is not null;
