-- +goose Up
create table idempotency_keys (
  owner      uuid not null,                    -- the user; all zeros without a sign-in
  route      text not null,                    -- POST /orders
  key        bytea not null,                   -- SHA-256 of what the caller sent: enough to know it again
  request    bytea not null,                   -- HMAC of path, query and body with the key, so that a reader of the table cannot try bodies
  id         uuid not null,                    -- of what the call makes, where something remote must know it first
  claimed_at timestamptz not null default now(),
  answer     json,                             -- the stored response; null until the request is done, and after it failed
  expires_at timestamptz not null,
  primary key (owner, route, key)
);

create index idempotency_keys_by_expiry on idempotency_keys (expires_at);
