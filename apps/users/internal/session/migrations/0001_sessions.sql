-- +goose Up
create table sessions (
  id         uuid primary key,
  account_id uuid not null references accounts,
  user_agent text not null default '',
  address    text not null default '',
  begun_at   timestamptz not null default now(),
  seen_at    timestamptz not null default now(),
  ended_at   timestamptz,
  end_reason text
);

create index sessions_by_account on sessions (account_id) where ended_at is null;

create table refresh_tokens (
  fingerprint bytea primary key,  -- SHA-256 of the token, which is not stored
  session_id  uuid not null references sessions,
  issued_at   timestamptz not null default now(),
  expires_at  timestamptz not null,
  used_at     timestamptz
);

create index refresh_tokens_by_session on refresh_tokens (session_id);
