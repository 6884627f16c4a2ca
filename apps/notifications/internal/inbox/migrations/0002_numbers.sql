-- +goose Up
-- Each inbox numbers its messages without gaps. The number is taken under the lock of the inbox's row, so that messages
-- are committed in the order of their numbers: a reader that has seen a number has seen all before it.
create table inboxes (
  user_id  uuid primary key,
  last_seq bigint not null
);

alter table messages add column seq bigint;
update messages set seq = numbered.seq from (
  select id, row_number() over (partition by user_id order by id) as seq from messages
) numbered where numbered.id = messages.id;
insert into inboxes (user_id, last_seq) select user_id, max(seq) from messages group by user_id;
alter table messages alter column seq set not null;
create unique index messages_in_order on messages (user_id, seq);
create index messages_of_day on messages (created_at);
