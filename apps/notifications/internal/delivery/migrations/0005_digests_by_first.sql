-- +goose NO TRANSACTION
-- +goose Up

-- The table has all deliveries ever made, so this may take long. It blocks no writes.
set statement_timeout = 0;
create index concurrently if not exists deliveries_sent_with on deliveries (sent_with) where sent_with is not null;
set statement_timeout = 15000;
