-- +goose Up

-- SKUs differ in more than case: where a product has ABC-1, abc-1 is taken. Products of earlier versions that break
-- this stay as they are. All but the first of them are marked, and the index leaves them out, so that no further
-- spelling is accepted. SKUs are ASCII, so lower case is the same in every locale.
alter table products add column sku_respelled boolean not null default false;
update products p set sku_respelled = true
where exists (
  select from products other where lower(other.sku collate "C") = lower(p.sku collate "C") and other.id < p.id);
create unique index products_sku_spelling on products (lower(sku collate "C")) where not sku_respelled;
