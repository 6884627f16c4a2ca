-- +goose Up

-- stemmer returns the text search configuration of a language. Another language is one more line here and in Languages.
create function stemmer(language text) returns regconfig language sql immutable strict parallel safe as $$
  select case language
    when 'de' then 'pg_catalog.german'::regconfig
    when 'es' then 'pg_catalog.spanish'::regconfig
    when 'simple' then 'pg_catalog.simple'::regconfig
    else 'pg_catalog.english'::regconfig
  end
$$;

-- Existing products are English. The generated column and its index are rebuilt, which rewrites the table once.
alter table products add column language text not null default 'en' check (language in ('en', 'de', 'es', 'simple'));
alter table products drop column search;
alter table products add column search tsvector not null generated always as (
  setweight(to_tsvector(stemmer(language), plain(name)) || to_tsvector('simple', plain(name)), 'A') ||
  setweight(to_tsvector('simple', plain(brand || ' ' || sku)), 'B') ||
  setweight(to_tsvector(stemmer(language), plain(description)), 'C') ||
  setweight(jsonb_to_tsvector('simple', attributes, '["string"]'), 'D')) stored;

create index products_by_search on products using gin (search) where archived_at is null;

-- The languages that products have or had. A search text is stemmed in each of them.
create table product_languages (language text primary key);

-- +goose StatementBegin
create function learn_languages() returns trigger language plpgsql as $$
begin
  insert into product_languages (language)
  select distinct a.language from added a
  where not exists (select from product_languages known where known.language = a.language)
  order by a.language
  on conflict do nothing;
  return null;
end
$$;
-- +goose StatementEnd

create trigger products_teach_languages after insert on products
  referencing new table as added for each statement execute function learn_languages();
create trigger products_teach_new_languages after update on products
  referencing new table as added for each statement execute function learn_languages();

insert into product_languages (language) select distinct language from products;
