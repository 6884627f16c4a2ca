-- +goose Up

-- A trigger of stock writes the ledger: on_hand cannot change without a movement, and no movement exists without that
-- change. So the movements of a product always add up to its on_hand, whatever the code does.
alter table movements add column balance int, add column moved_by uuid;

update movements m set balance = b.balance
from (select id, sum(delta) over (partition by product_id order by id) as balance from movements) b where b.id = m.id;

alter table movements alter column balance set not null, add check (balance >= 0);

-- A statement that changes on_hand also sets the reason, and the order or the admin. The trigger moves them to the
-- ledger and resets them to null, so that each change needs its own reason.
alter table stock add column reason text, add column order_id uuid, add column moved_by uuid;

-- +goose StatementBegin
create function write_ledger() returns trigger language plpgsql as $$
declare
  moved int := new.on_hand - case when tg_op = 'INSERT' then 0 else old.on_hand end;
begin
  if moved <> 0 then
    if new.reason is null then
      raise exception 'stock does not move without a reason' using errcode = 'check_violation', constraint = 'stock_reason_check';
    end if;
    insert into movements (product_id, delta, balance, reason, order_id, moved_by)
    values (new.product_id, moved, new.on_hand, new.reason, new.order_id, new.moved_by);
  end if;
  new.reason := null;
  new.order_id := null;
  new.moved_by := null;
  return new;
end
$$;
-- +goose StatementEnd

create trigger stock_writes_ledger before insert or update of on_hand, reason, order_id, moved_by on stock
  for each row execute function write_ledger();

-- +goose StatementBegin
create function keep_ledger() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' and pg_trigger_depth() > 1 then
    return new; -- from write_ledger
  end if;
  raise exception 'the ledger is written by the stock alone, and never changed' using errcode = 'restrict_violation';
end
$$;
-- +goose StatementEnd

create trigger movements_are_kept before insert or update or delete on movements for each row execute function keep_ledger();
create trigger movements_are_not_emptied before truncate on movements for each statement execute function keep_ledger();
create trigger stock_is_kept before delete on stock for each row execute function keep_ledger();
create trigger stock_is_not_emptied before truncate on stock for each statement execute function keep_ledger();

-- The last threshold crossing of a product. kind is 'out' exactly while nothing is available. A row is written on a
-- crossing only, so that the frequently updated rows of stock need no further index.
create table stock_alerts (
  product_id bigint primary key references products,
  kind       text not null check (kind in ('low', 'out', 'back')),
  since      timestamptz not null default now()
);

create index stock_alerts_by_time on stock_alerts (since desc, product_id desc);

insert into stock_alerts (product_id, kind)
select s.product_id, case when s.on_hand = s.reserved then 'out' else 'low' end
from stock s join products p on p.id = s.product_id
where s.on_hand - s.reserved <= greatest(p.low_stock_threshold, 0) and p.archived_at is null;

-- Users to notify when a product is back in stock. The rows are deleted with the event that names them.
create table stock_waiters (
  product_id bigint not null references products,
  user_id    uuid not null,
  asked_at   timestamptz not null default now(),
  primary key (product_id, user_id)
);

create index stock_waiters_by_user on stock_waiters (user_id);
