-- +goose Up
create table mail_tokens (
  request_id   uuid primary key,
  account_id   uuid not null references accounts,
  purpose      text not null check (purpose in ('verify_email', 'reset_password')),
  email        text not null,              -- the address that the token is sent to
  fingerprint  bytea not null unique,      -- SHA-256 of the token, which is not stored
  requested_at timestamptz not null default now(),
  expires_at   timestamptz not null,
  closed_at    timestamptz                 -- used, or superseded by a newer one
);

create unique index mail_tokens_open on mail_tokens (account_id, purpose) where closed_at is null;
create index mail_tokens_by_account on mail_tokens (account_id, requested_at);
