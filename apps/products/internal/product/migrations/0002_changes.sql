-- +goose Up
alter table products
  add column version int not null default 1,          -- grows with each change; part of the ETag
  add column metadata jsonb not null default '{}',
  alter column category_id drop not null,             -- null only for archived products
  add check (category_id is not null or archived_at is not null);

-- A slug identifies one product. Duplicates get the id as a suffix.
update products p set slug = left(p.slug, 100) || '-' || p.id
where exists (select from products other where other.slug = p.slug and other.id < p.id);
alter table products add constraint products_slug_key unique (slug);
