-- +goose Up
alter table messages rename to notifications;
alter index messages_of_user rename to notifications_of_user;
alter index messages_unread rename to notifications_unread;
alter index messages_in_order rename to notifications_in_order;
alter index messages_of_day rename to notifications_of_day;
