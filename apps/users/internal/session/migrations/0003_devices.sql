-- +goose Up
-- The known devices of an account.
create table devices (
  account_id  uuid not null references accounts,
  fingerprint bytea not null,   -- SHA-256 of user agent and network
  seen_at     timestamptz not null default now(),
  primary key (account_id, fingerprint)
);

-- The signing keys, without secrets: each is derived from JWT_SECRET_KEY and its salt.
create table signing_keys (
  kid        text primary key,
  salt       bytea not null,
  signs_from timestamptz not null,
  made_at    timestamptz not null default now()
);

create index refresh_tokens_by_expiry on refresh_tokens (expires_at);
