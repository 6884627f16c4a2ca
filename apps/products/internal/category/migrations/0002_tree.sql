-- +goose Up
alter table categories add column version int not null default 1; -- grows with each change; part of the ETag

-- No category is its own ancestor, also with concurrent moves: the advisory lock makes moves wait for one another, so
-- that each sees the results of the ones before it.
-- +goose StatementBegin
create function keep_tree() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtext('categories'));
  if exists (
    with recursive above as (
      select new.parent_id as id
      union
      select c.parent_id from categories c join above a on c.id = a.id where c.parent_id is not null
    )
    select from above where id = new.id
  ) then
    raise exception 'category % cannot be below itself', new.id using errcode = 'check_violation', constraint = 'categories_no_cycle';
  end if;
  return null;
end
$$;
-- +goose StatementEnd

create trigger categories_are_a_tree after update of parent_id on categories
  for each row when (new.parent_id is not null and new.parent_id is distinct from old.parent_id) execute function keep_tree();
