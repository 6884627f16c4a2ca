-- +goose Up
-- A refund of items that cost nothing was sent to the provider, which refused it. Its goods were restocked before that,
-- so nothing is left to do. A refund that voids a charge has no amount of its own and stays.
update refunds set settled_at = failed_at, failed_at = null, failure = ''
where failed_at is not null and amount = 0 and not void;
