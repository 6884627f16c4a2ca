-- +goose Up
-- The relay is woken inside its process (Outbox.Tx). A notification at each commit took a lock that all committing
-- transactions of the server wait for, one after the other.
drop trigger outbox_wakes_relay on outbox;
drop function wake_relay();
