-- +goose NO TRANSACTION
-- +goose Up

-- Without fastupdate, an index contains new products immediately. With it, new entries go to a pending list that each
-- search scans until a vacuum empties it: after an import, that is most of the cost of a search. Each statement is a
-- transaction of its own, because concurrent searches lock all indexes of the table, in an order that cannot be chosen
-- here.
alter index products_by_attributes set (fastupdate = off);
alter index products_by_search set (fastupdate = off);
select gin_clean_pending_list('products_by_attributes');
select gin_clean_pending_list('products_by_search');
