-- +goose Up

-- plain normalizes text for search: lower case, no accents, words of letters and digits separated by one space.
-- unaccent is only declared stable because its rules can be replaced; here they never are.
create function plain(value text) returns text language sql immutable strict parallel safe
  as $$ select lower(regexp_replace(public.unaccent('public.unaccent'::regdictionary, value), '[^[:alnum:]]+', ' ', 'g')) $$;

-- Weights in descending order: name, brand and SKU, description, attributes. The name is also indexed unstemmed, so
-- that a prefix of any form of a word finds it.
alter table products add column search tsvector not null generated always as (
  setweight(to_tsvector('english', plain(name)) || to_tsvector('simple', plain(name)), 'A') ||
  setweight(to_tsvector('simple', plain(brand || ' ' || sku)), 'B') ||
  setweight(to_tsvector('english', plain(description)), 'C') ||
  setweight(jsonb_to_tsvector('simple', attributes, '["string"]'), 'D')) stored;

create index products_by_search on products using gin (search) where archived_at is null;
create index products_by_attributes on products using gin (attributes jsonb_path_ops) where archived_at is null;
create index products_by_price on products (price, id) where archived_at is null;
create index products_by_name on products (name, id) where archived_at is null;
create index products_for_facets on products (brand, category_id, price) include (id) where archived_at is null;

-- The words of all products, for the correction of typos. A statement inserts its words in order, so that concurrent
-- ones do not deadlock.
create table product_words (word text collate "C" primary key);

create index product_words_alike on product_words using gin (word gin_trgm_ops);

-- +goose StatementBegin
create function learn_words() returns trigger language plpgsql as $$
begin
  insert into product_words (word)
  select distinct said.word from added, regexp_split_to_table(plain(name || ' ' || brand || ' ' || description), ' ') as said (word)
  where length(said.word) between 4 and 40 and said.word !~ '[0-9]'
    and not exists (select from product_words known where known.word = said.word)
  order by said.word
  on conflict do nothing;
  return null;
end
$$;
-- +goose StatementEnd

create trigger products_teach_words after insert on products
  referencing new table as added for each statement execute function learn_words();
create trigger products_teach_new_words after update on products
  referencing new table as added for each statement execute function learn_words();

insert into product_words (word)
select distinct said.word from products, regexp_split_to_table(plain(name || ' ' || brand || ' ' || description), ' ') as said (word)
where length(said.word) between 4 and 40 and said.word !~ '[0-9]';
