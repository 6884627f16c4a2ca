-- +goose Up
alter table deliveries rename column message_id to notification_id;
alter table deliveries rename column lane to priority;
alter table deliveries rename column facts to variables;
alter table deliveries rename constraint deliveries_message_id_channel_key to deliveries_notification_id_channel_key;
alter index deliveries_in_line rename to deliveries_in_order;
alter table attempts rename column answer to response;
