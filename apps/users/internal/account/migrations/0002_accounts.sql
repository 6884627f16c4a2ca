-- +goose Up
alter table accounts
  add column username_shape    text,         -- as people see it: look-alikes of other alphabets are Latin letters here
  add column told_locked_until timestamptz,  -- the owner was told of the lock that ends then
  add column erased_at         timestamptz;

-- What was there before this column was of Latin letters only, or keeps a shape of its own.
update accounts set username_shape = id::text where username_key !~ '^[a-z0-9._-]*$';
update accounts a set username_shape = case
    when exists (select from accounts b where b.id < a.id and translate(b.username_key, '01l', 'oii') = translate(a.username_key, '01l', 'oii')) then a.id::text
    else translate(a.username_key, '01l', 'oii') end
  where username_shape is null;

alter table accounts alter column username_shape set not null, add constraint accounts_username_shape_key unique (username_shape);

-- Search by the beginning of a name, whatever the database's collation.
create index accounts_by_username on accounts (username_key text_pattern_ops);
create index accounts_by_email on accounts (email_key text_pattern_ops);
create index accounts_by_full_name on accounts (lower(full_name) text_pattern_ops);

-- Mails that somebody asked for by address. The answer to them is the same and as fast whether there is such an account;
-- who they are for is found out afterwards.
create table mail_requests (
  id         uuid primary key,
  purpose    text not null check (purpose in ('verify_email', 'reset_password')),
  email_key  text not null,
  address    text not null,
  user_agent text not null,
  asked_at   timestamptz not null default now()
);
