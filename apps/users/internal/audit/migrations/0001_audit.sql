-- +goose Up
-- An administrator of the database runs this, not the service: it could change what it owns. Every statement may run
-- again. The role of the service may select and insert, but not set the number, time or hash of an entry.

-- +goose StatementBegin
do $$
begin
  begin
    create role audit_keeper nologin;
  exception when duplicate_object or unique_violation then null;
  end;
  begin
    create role users nologin;
  exception when duplicate_object or unique_violation then null;
  end;
end
$$;
-- +goose StatementEnd

create schema if not exists audit authorization audit_keeper;

create table if not exists audit.entries (
  seq        bigint primary key,
  at         timestamptz not null,
  action     text not null,
  actor_id   uuid,                          -- who did it; null without a signed-in user
  user_id    uuid,                          -- the account that it is about; null if there is none
  address    text not null default '',
  user_agent text not null default '',
  details    json not null default '{}',    -- json, not jsonb: the text must not change, as it is hashed
  previous   bytea not null,                -- the hash of the previous entry
  hash       bytea not null
);

create index if not exists entries_by_user on audit.entries (user_id, seq);
create index if not exists entries_by_action on audit.entries (action, seq);
create index if not exists entries_by_time on audit.entries (at);

-- The end of the chain. An insert locks this row until the transaction ends, so that entries are chained one at a time.
create table if not exists audit.head (
  one  boolean primary key default true check (one),
  seq  bigint not null,
  hash bytea not null
);
insert into audit.head (seq, hash) values (0, sha256('sidecart audit')) on conflict do nothing;

-- A part of the hashed text: its length in bytes and its value, so that no two entries have the same joined parts. Null
-- is "-".
-- +goose StatementBegin
create or replace function audit.part(value text) returns bytea language sql immutable as $$
  select case when value is null then '-,'::bytea
    else convert_to(octet_length(convert_to(value, 'UTF8')) || ':' || value || ',', 'UTF8') end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function audit.chain() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  head audit.head;
begin
  select * into strict head from audit.head for update;
  new.seq := head.seq + 1;
  new.at := clock_timestamp();
  new.previous := head.hash;
  new.hash := sha256(new.previous || audit.part(new.seq::text) || audit.part((extract(epoch from new.at) * 1000000)::bigint::text)
    || audit.part(new.action) || audit.part(new.actor_id::text) || audit.part(new.user_id::text)
    || audit.part(new.address) || audit.part(new.user_agent) || audit.part(new.details::text));
  update audit.head set seq = new.seq, hash = new.hash;
  return new;
end
$$;
-- +goose StatementEnd

create or replace trigger entries_are_chained before insert on audit.entries for each row execute function audit.chain();

alter table audit.entries owner to audit_keeper;
alter table audit.head owner to audit_keeper;
alter function audit.part(text) owner to audit_keeper;
alter function audit.chain() owner to audit_keeper;

revoke all on all functions in schema audit from public;
revoke all on all tables in schema audit from users;
grant usage on schema audit to users;
grant select on audit.entries, audit.head to users;
grant insert (action, actor_id, user_id, address, user_agent, details) on audit.entries to users;
