-- +goose Up
create table idempotency_keys (
  owner      uuid not null,                    -- whose key it is; all zeros where nobody was signed in
  route      text not null,                    -- POST /orders
  key        bytea not null,                   -- SHA-256 of what the caller sent: enough to know it again
  request    bytea not null,                   -- of path, query and body, keyed with the key, so that nobody who reads it can try bodies
  id         uuid not null,                    -- of what the call makes, where something remote must know it first
  claimed_at timestamptz not null default now(),
  answer     json,                             -- what the first call answered; null while it is not done, and after it failed
  expires_at timestamptz not null,
  primary key (owner, route, key)
);

create index idempotency_keys_by_expiry on idempotency_keys (expires_at);
