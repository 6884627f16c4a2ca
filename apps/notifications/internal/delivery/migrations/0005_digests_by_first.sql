-- +goose NO TRANSACTION
-- +goose Up

-- The table is as long as what was ever sent: nobody waits while it is read, and that may take long.
set statement_timeout = 0;
create index concurrently if not exists deliveries_sent_with on deliveries (sent_with) where sent_with is not null;
set statement_timeout = 15000;
