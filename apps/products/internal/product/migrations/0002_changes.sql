-- +goose Up
alter table products
  add column version int not null default 1,          -- grows with each change; part of the ETag
  add column metadata jsonb not null default '{}',
  alter column category_id drop not null,             -- what is archived does not need one
  add check (category_id is not null or archived_at is not null);

-- An address leads to one product. Those that were given out twice get their number.
update products p set slug = left(p.slug, 100) || '-' || p.id
where exists (select from products other where other.slug = p.slug and other.id < p.id);
alter table products add constraint products_slug_key unique (slug);
