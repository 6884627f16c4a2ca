-- +goose Up
create table accounts (
  id             uuid primary key,
  username       text not null,
  username_key   text not null unique,  -- as names are compared: NFKC, small letters
  email          text not null,
  email_key      text not null unique,
  full_name      text not null default '',
  password_hash  bytea not null,        -- bcrypt
  role           text not null check (role in ('user', 'admin')),
  active         boolean not null default true,
  email_verified boolean not null default false,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now()
);
