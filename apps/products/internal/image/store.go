package image

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// insertFile records a file before its upload. An image must reference it within an hour.
func insertFile(ctx context.Context, tx pgx.Tx, name uuid.UUID) error {
	_, err := tx.Exec(ctx, `insert into image_files (name, free_at) values ($1, now() + interval '1 hour')`, name)
	return err
}

func deleteFile(ctx context.Context, tx pgx.Tx, name uuid.UUID) error {
	_, err := tx.Exec(ctx, `delete from image_files where name = $1`, name)
	return err
}

// postponeFile hides a file from unusedFiles for an hour.
func postponeFile(ctx context.Context, tx pgx.Tx, name uuid.UUID) error {
	_, err := tx.Exec(ctx, `update image_files set free_at = now() + interval '1 hour' where name = $1`, name)
	return err
}

func unusedFiles(ctx context.Context, db postgres.Reader) ([]uuid.UUID, error) {
	return postgres.All(ctx, db, pgx.RowTo[uuid.UUID], `
		select f.name from image_files f
		where f.free_at < now() and not exists (select from product_images i where i.file = f.name)
		order by f.free_at limit 200`)
}

// touchProduct locks a product on sale, increments its version and emits products.changed. It fails with ErrNoProduct.
func touchProduct(ctx context.Context, tx event.TX, productID int64) error {
	changed, err := postgres.One(ctx, tx, ErrNoProduct, pgx.RowToStructByName[shop.ProductChanged], `
		update products set version = version + 1, updated_at = now() where id = $1 and archived_at is null
		returning id as product_id, sku, name, price, currency`, productID)
	if err != nil {
		return err
	}
	return event.Emit(ctx, tx, changed)
}

// insert appends an image to a locked product.
func insert(
	ctx context.Context, tx pgx.Tx, productID int64, file uuid.UUID, alt string, r renditions,
) (Image, error) {
	return postgres.One(ctx, tx, pgx.ErrNoRows, pgx.RowToStructByName[Image], `
		insert into product_images (product_id, file, media_type, small_type, width, height, tag, alt, position)
		values ($1, $2, $3, $4, $5, $6, $7, $8, (select count(*) + 1 from product_images where product_id = $1))
		returning id, product_id, media_type, width, height, alt, position, created_at`,
		productID, file, r.full.MediaType, r.thumbnail.MediaType, r.width, r.height, r.full.Tag, alt)
}

// getFile fails with ErrNotFound.
func getFile(ctx context.Context, db postgres.Reader, productID, id int64) (imageFile, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[imageFile], `
		select file, media_type, small_type, tag from product_images where id = $2 and product_id = $1`, productID, id)
}

// get fails with ErrNotFound.
func get(ctx context.Context, db postgres.Reader, productID, id int64) (Image, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[Image], `
		select id, product_id, media_type, width, height, alt, position, created_at
		from product_images where id = $2 and product_id = $1`, productID, id)
}

// listIDs returns the ids of a product's images by position.
func listIDs(ctx context.Context, db postgres.Reader, productID int64) ([]int64, error) {
	return postgres.All(ctx, db, pgx.RowTo[int64],
		`select id from product_images where product_id = $1 order by position`, productID)
}

// setPositions numbers images 1, 2, 3 ... in the order of ids. Unknown ids are skipped.
func setPositions(ctx context.Context, tx pgx.Tx, ids []int64) error {
	_, err := tx.Exec(ctx, `
		update product_images i set position = o.position from unnest($1::bigint[]) with ordinality as o (id, position)
		where i.id = o.id and i.position <> o.position`, ids)
	return err
}

// setAlt fails with ErrNotFound.
func setAlt(ctx context.Context, tx pgx.Tx, productID, id int64, alt string) error {
	return postgres.ExecOne(ctx, tx, ErrNotFound,
		`update product_images set alt = $3 where id = $2 and product_id = $1`, productID, id, alt)
}

// deleteRow deletes an image and frees its files. It fails with ErrNotFound.
func deleteRow(ctx context.Context, tx pgx.Tx, productID, id int64) error {
	return postgres.ExecOne(ctx, tx, ErrNotFound, `
		with deleted as (delete from product_images where id = $2 and product_id = $1 returning file)
		update image_files f set free_at = now() from deleted where f.name = deleted.file`, productID, id)
}

// DeleteAll deletes all images of a product, in the transaction that archives it.
func DeleteAll(ctx context.Context, tx pgx.Tx, productID int64) error {
	_, err := tx.Exec(ctx, `
		with deleted as (delete from product_images where product_id = $1 returning file)
		update image_files f set free_at = now() from deleted where f.name = deleted.file`, productID)
	return err
}
