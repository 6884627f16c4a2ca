-- +goose Up
create table contacts (
  user_id   uuid primary key,
  email     text not null default '',
  username  text not null default '',
  full_name text not null default '',
  role      text not null default 'user',
  erased    boolean not null default false   -- an empty row, so that late events restore nothing
);

create index contacts_of_role on contacts (role, user_id) where not erased;
