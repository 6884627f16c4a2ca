-- +goose Up

-- fold_name makes full names equal that differ only in case or accents. It does not depend on the database's locale.
-- +goose StatementBegin
create function fold_name(value text) returns text language plpgsql immutable strict parallel safe as $$
begin
  value := lower(regexp_replace(normalize(value, NFKD), '[\u0300-\u036f]+', '', 'g') collate "und-x-icu");
  return replace(replace(translate(value, 'ςøłđı', 'σoldi'), 'ß', 'ss'), 'æ', 'ae');
end
$$;
-- +goose StatementEnd

drop index accounts_by_full_name;
create index accounts_by_full_name on accounts (fold_name(full_name) text_pattern_ops);
