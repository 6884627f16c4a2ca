-- +goose Up
-- For the published events of one order. The outbox needs no such index: it is nearly always empty, and every insert
-- would pay for it.
create index sent_by_key on sent (key);
