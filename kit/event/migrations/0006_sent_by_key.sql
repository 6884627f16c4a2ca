-- +goose Up
-- For whoever asks what was told of one thing. The outbox needs none: it is empty but for a moment, and every event would pay for it.
create index sent_by_key on sent (key);
