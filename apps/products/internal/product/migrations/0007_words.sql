-- +goose Up

-- Adding a stored column rewrites the table once, which indexes existing products. Meanwhile its reads and writes wait.
set local statement_timeout = 0;

-- fold makes texts equal that differ only in case, accents, vowel points, or in the width or style of their letters and
-- digits (NFKC). It leaves out what is invisible, and trademark signs. It does not depend on the database's locale.
-- unaccent replaces letters that have no parts, like ø and ß.
-- +goose StatementBegin
create function fold(value text) returns text language plpgsql immutable strict parallel safe as $$
begin
  if octet_length(value) = length(value) then
    return lower(value collate "C");
  end if;
  value := regexp_replace(normalize(translate(value, '™℠®©℗', ''), NFKD),
    '[\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f' ||
    '\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e' ||
    '\u2060-\u206f\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\ufeff\U000e0000-\U000e01ef]+', '', 'g');
  value := public.unaccent('public.unaccent'::regdictionary, lower(normalize(value, NFKC) collate "und-x-icu"));
  return translate(value, 'ς٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९๐๑๒๓๔๕๖๗๘๙', 'σ0123456789012345678901234567890123456789');
end
$$;
-- +goose StatementEnd

-- fold_key is a folded text as a key of an index, whose size is limited.
-- +goose StatementBegin
create function fold_key(value text) returns text language plpgsql immutable strict parallel safe as $$
begin
  value := public.fold(value);
  return case when octet_length(value) <= 400 then value else md5(value) end;
end
$$;
-- +goose StatementEnd

-- unspaced matches the characters of scripts that are written without spaces: Han, Kana, Bopomofo, Hangul (which has
-- spaces, but not within compounds), Thai, Lao, Khmer, Myanmar and scripts near them.
create function unspaced() returns text language sql immutable parallel safe return
  '[\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0eff\u1000-\u1049\u1050-\u109f\u1100-\u11ff\u1780-\u17d3\u17d7\u17dc-\u17e9\u1950-\u19df'
  '\u1a20-\u1aad\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u303b\u303c\u3041-\u3096\u3099\u309a\u309d-\u309f'
  '\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c'
  '\ua9e0-\ua9fe\uaa60-\uaadf\uac00-\ud7fb\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff]';

-- letter is the inside of a bracket expression for letters, and for the marks that are vowels in scripts like
-- Devanagari.
create function letter() returns text language sql immutable parallel safe return
  '[:alpha:]\u0711\u0730-\u074a\u07a6-\u07b0\u07eb-\u07f3\u0816-\u082d\u0859-\u085b\u0898-\u089f\u08ca-\u0963\u0971-\u0df3'
  '\u0f18-\u0fbc\u135d-\u135f\u1712-\u1773\u180b-\u180f\u1885\u1886\u18a9\u1920-\u193b\u1a17-\u1a1b\u1b00-\u1cf9\u2de0-\u2dff'
  '\ua66f-\ua69f\ua802-\ua8ff\ua926-\ua9c0\uaa29-\uaa4d\uaaeb-\uaaf6\uabe3-\uabed\U00011000-\U00011fff';

-- search_text is a folded text of chunks between spaces. A run of unspaced characters is a chunk; a dot between
-- Katakana is left out. C++ and C# are words.
-- +goose StatementBegin
create function search_text(value text) returns text language plpgsql immutable strict parallel safe as $$
begin
  value := public.fold(value);
  if value ~ '[+#]' then
    value := regexp_replace(value, '\m([a-z])\+\+', '\1plusplus', 'g');
    value := regexp_replace(value, '\m([a-z])#(?![a-z0-9])', '\1sharp', 'g');
  end if;
  if octet_length(value) = length(value) then
    return value;
  end if;
  return regexp_replace(translate(value, '・', ''), '(' || public.unspaced() || '+)', ' \1 ', 'g');
end
$$;
-- +goose StatementEnd

-- search_parts are the words of a text: its runs of unspaced characters, of letters, and of digits.
create function search_parts(value text) returns table (chunk bigint, part text, run boolean)
  language sql immutable strict parallel safe as $$
  select c.position, p.match[1], p.match[1] ~ public.unspaced()
  from regexp_split_to_table(public.search_text(value), '\s+') with ordinality as c (chunk, position),
    regexp_matches(c.chunk collate "und-x-icu", public.unspaced() || '+|[0-9]+|[' || public.letter() || ']+', 'g')
      with ordinality as p (match, position)
  order by c.position, p.position
$$;

-- search_words separates the words of a text without unspaced characters by spaces.
create function search_words(spaced text) returns text language sql immutable strict parallel safe return
  regexp_replace(regexp_replace(spaced, '([0-9]+)', ' \1 ', 'g') collate "und-x-icu", '[^0-9 ' || public.letter() || ']+', ' ', 'g');

-- search_compounds are the ends of chunks that have several parts, joined: wifi of Wi-Fi, and wh001b and 001b of
-- WH-001-B. Each range of parts is a prefix of one of them. A text has at most 100 kB of them, so that every text fits
-- a tsvector, whose limit is 1 MiB.
-- +goose StatementBegin
create function search_compounds(spaced text) returns text[] language plpgsql immutable strict parallel safe as $$
declare
  chunk text;
  parts text[];
  compounds text[] := '{}';
  size int := 0;
begin
  for chunk in
    select match[1] from regexp_matches(spaced collate "und-x-icu",
      replace('\S*(?:[L0-9][^L0-9\s]+[L0-9]|[0-9][L]|[L][0-9])\S*', 'L', public.letter()), 'g') as match
  loop
    parts := array_remove(string_to_array(public.search_words(chunk), ' '), '');
    for i in 1 .. cardinality(parts) - 1 loop
      compounds := compounds || left(array_to_string(parts[i:i + 7], ''), 60);
      size := size + octet_length(compounds[cardinality(compounds)]);
      if size > 100000 then
        return compounds;
      end if;
    end loop;
  end loop;
  return compounds;
end
$$;
-- +goose StatementEnd

-- search_pairs has each character of a run with the next one. The last character is alone, so that pairs of two runs
-- are never adjacent.
-- +goose StatementBegin
create function search_pairs(value text) returns tsvector language plpgsql immutable strict parallel safe as $$
begin
  return (
    select string_agg(quote_literal(pair) || ':' || least(position, 16383), ' ') from (
      select c.letter || coalesce(lead(c.letter) over (partition by r.position order by c.position), '') as pair,
        row_number() over (order by r.position, c.position) as position
      from regexp_matches(value, public.unspaced() || '+', 'g') with ordinality as r (run, position),
        string_to_table(r.run[1], null) with ordinality as c (letter, position)
    ) pairs)::tsvector;
end
$$;
-- +goose StatementEnd

-- search_vector has the words of a text, stemmed and if unstemmed also as they are, the compounds and the pairs.
-- +goose StatementBegin
create function search_vector(stems regconfig, value text, unstemmed boolean) returns tsvector
  language plpgsql immutable strict parallel safe as $$
declare
  spaced text := public.search_text(value);
  pairs tsvector := '';
  words text;
  result tsvector;
begin
  if octet_length(spaced) <> length(spaced) and spaced ~ public.unspaced() then
    pairs := public.search_pairs(spaced);
    spaced := regexp_replace(spaced, public.unspaced() || '+', ' ', 'g');
  end if;
  words := public.search_words(spaced);
  result := to_tsvector(stems, words) || pairs;
  if unstemmed then
    result := result || to_tsvector('simple', words);
  end if;
  if spaced collate "und-x-icu" ~ replace('[L0-9][^L0-9\s]+[L0-9]|[0-9][L]|[L][0-9]', 'L', public.letter()) then
    result := result || (array_to_string(public.search_compounds(spaced), ':1 ') || ':1')::tsvector;
  end if;
  return result;
end
$$;
-- +goose StatementEnd

-- product_search has weights in descending order: name, brand and SKU, description, attributes that are texts. The name
-- is also indexed unstemmed, so that a prefix of any form of a word finds it.
-- +goose StatementBegin
create function product_search(language text, name text, brand text, sku text, description text, attributes jsonb)
  returns tsvector language plpgsql immutable strict parallel safe as $$
begin
  return setweight(public.search_vector(public.stemmer(language), name, true), 'A') ||
    setweight(public.search_vector('pg_catalog.simple', brand || ' ' || sku, false), 'B') ||
    setweight(public.search_vector(public.stemmer(language), description, false), 'C') ||
    coalesce((
      select setweight(public.search_vector('pg_catalog.simple', string_agg(value #>> '{}', ' '), false), 'D')
      from jsonb_each(attributes) where jsonb_typeof(value) = 'string'), '');
end
$$;
-- +goose StatementEnd

-- attribute_keys are name and value of each attribute, folded. A number is the same as the text that it is written as.
-- +goose StatementBegin
create function attribute_keys(attributes jsonb) returns text[] language plpgsql immutable strict parallel safe as $$
begin
  return array(
    select public.fold_key(key || chr(31) || case jsonb_typeof(value)
      when 'number' then trim_scale((value #>> '{}')::numeric)::text else value #>> '{}' end)
    from jsonb_each(attributes));
end
$$;
-- +goose StatementEnd

alter table products drop column search;
alter table products
  add column search tsvector not null generated always as (
    product_search(language, name, brand, sku, description, attributes)) stored,
  add column brand_key text not null generated always as (fold_key(brand)) stored,
  add column attribute_keys text[] not null generated always as (attribute_keys(attributes)) stored;

-- Without fastupdate: see migration 5. The collation is the same on every server and in every locale of a database.
create index products_by_search on products using gin (search) with (fastupdate = off) where archived_at is null;
drop index products_by_attributes;
create index products_by_attributes on products using gin (attribute_keys) with (fastupdate = off) where archived_at is null;
drop index products_by_brand;
create index products_by_brand on products (brand_key, id desc) where archived_at is null;
drop index products_by_name;
create index products_by_name on products (name collate "und-x-icu", id) where archived_at is null;
drop index products_by_price;
create index products_by_price on products (currency, price, id) where archived_at is null;
drop index products_for_facets;
create index products_for_facets on products (brand, category_id, currency, price) include (id) where archived_at is null;

-- +goose StatementBegin
create or replace function learn_words() returns trigger language plpgsql as $$
begin
  insert into product_words (word)
  select distinct said.word
  from added,
    lateral (select regexp_replace(search_text(name || ' ' || brand || ' ' || description), unspaced() || '+', ' ', 'g')) t (spaced),
    lateral unnest(string_to_array(search_words(t.spaced), ' ') || search_compounds(t.spaced)) as said (word)
  where length(said.word) between 4 and 40 and said.word !~ '[0-9]'
    and not exists (select from product_words known where known.word = said.word)
  order by said.word
  on conflict do nothing;
  return null;
end
$$;
-- +goose StatementEnd

insert into product_words (word)
select distinct said.word
from products,
  lateral (select regexp_replace(search_text(name || ' ' || brand || ' ' || description), unspaced() || '+', ' ', 'g')) t (spaced),
  lateral unnest(string_to_array(search_words(t.spaced), ' ') || search_compounds(t.spaced)) as said (word)
where length(said.word) between 4 and 40 and said.word !~ '[0-9]'
order by said.word
on conflict do nothing;
