-- +goose Up
alter table accounts
  add column username_shape    text,         -- the skeleton: look-alikes of other alphabets are Latin letters
  add column told_locked_until timestamptz,  -- the owner was notified of the lock that ends then
  add column erased_at         timestamptz;

-- Names with other than Latin letters get a unique value.
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

-- Requests for e-mails by address. They are processed after the response, which is the same whether or not there is an
-- account.
create table mail_requests (
  id         uuid primary key,
  purpose    text not null check (purpose in ('verify_email', 'reset_password')),
  email_key  text not null,
  address    text not null,
  user_agent text not null,
  asked_at   timestamptz not null default now()
);
