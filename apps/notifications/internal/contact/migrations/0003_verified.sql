-- +goose Up
-- The address of the last users.verified, and the id of that event. Mail to any other address has nothing that a user
-- typed. The addresses of earlier accounts count as verified: they have received mail with names before, and no event
-- says which of them are.
alter table contacts add column verified_email text not null default '';
alter table contacts add column verified_event uuid;
update contacts set verified_email = email where not erased;
