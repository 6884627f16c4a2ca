-- +goose NO TRANSACTION
-- +goose Up

-- An index that takes new products in at once. Else it keeps them in a list, which each search reads from its beginning to its
-- end until a vacuum empties it: after an import that is most of what a search costs. Each is changed for itself, because a
-- search of a replica that runs meanwhile locks all indexes of the table, in an order that is not ours to choose.
alter index products_by_attributes set (fastupdate = off);
alter index products_by_search set (fastupdate = off);
select gin_clean_pending_list('products_by_attributes');
select gin_clean_pending_list('products_by_search');
