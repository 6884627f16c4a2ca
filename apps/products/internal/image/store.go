package image

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// insertFile keeps a file from being forgotten. Whoever notes it has an hour to make an image of it.
func insertFile(ctx context.Context, tx pgx.Tx, name uuid.UUID) error {
	_, err := tx.Exec(ctx, `insert into image_files (name, free_at) values ($1, now() + interval '1 hour')`, name)
	return err
}

func deleteFile(ctx context.Context, tx pgx.Tx, name uuid.UUID) error {
	_, err := tx.Exec(ctx, `delete from image_files where name = $1`, name)
	return err
}

// postponeFile lets a file that cannot be removed stand aside.
func postponeFile(ctx context.Context, tx pgx.Tx, name uuid.UUID) error {
	_, err := tx.Exec(ctx, `update image_files set free_at = now() + interval '1 hour' where name = $1`, name)
	return err
}

// unusedFiles are files that no image has and whose time is over.
func unusedFiles(ctx context.Context, db postgres.Reader) ([]uuid.UUID, error) {
	return postgres.All(ctx, db, pgx.RowTo[uuid.UUID], `
		select f.name from image_files f
		where f.free_at < now() and not exists (select from product_images i where i.file = f.name)
		order by f.free_at limit 200`)
}

// touchProduct locks a product on sale, makes it another version and tells so. It fails with ErrNoProduct.
func touchProduct(ctx context.Context, tx event.TX, productID int64) error {
	changed, err := postgres.One(ctx, tx, ErrNoProduct, pgx.RowToStructByName[shop.ProductChanged], `
		update products set version = version + 1, updated_at = now() where id = $1 and archived_at is null
		returning id as product_id, sku, name, price, currency`, productID)
	if err != nil {
		return err
	}
	return event.Emit(ctx, tx, changed)
}

// insert stands after the others. The product is locked.
func insert(ctx context.Context, tx pgx.Tx, productID int64, file uuid.UUID, alt string, p renditions) (Image, error) {
	return postgres.One(ctx, tx, pgx.ErrNoRows, pgx.RowToStructByName[Image], `
		insert into product_images (product_id, file, media_type, small_type, width, height, tag, alt, position)
		values ($1, $2, $3, $4, $5, $6, $7, $8, (select count(*) + 1 from product_images where product_id = $1))
		returning id, product_id, media_type, width, height, alt, position, created_at`,
		productID, file, p.full.MediaType, p.thumbnail.MediaType, p.width, p.height, p.full.Tag, alt)
}

// getFile fails with ErrNotFound.
func getFile(ctx context.Context, db postgres.Reader, productID, id int64) (imageFile, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[imageFile], `
		select i.file, i.media_type, i.small_type, i.tag from product_images i where i.id = $2 and i.product_id = $1`, productID, id)
}

// get fails with ErrNotFound.
func get(ctx context.Context, db postgres.Reader, productID, id int64) (Image, error) {
	return postgres.One(ctx, db, ErrNotFound, pgx.RowToStructByName[Image], `
		select id, product_id, media_type, width, height, alt, position, created_at
		from product_images where id = $2 and product_id = $1`, productID, id)
}

// listIDs are a product's images in their order.
func listIDs(ctx context.Context, db postgres.Reader, productID int64) ([]int64, error) {
	return postgres.All(ctx, db, pgx.RowTo[int64], `select id from product_images where product_id = $1 order by position`, productID)
}

// setPositions gives images the places 1, 2, 3 ... in this order. One that is not there is passed over.
func setPositions(ctx context.Context, tx pgx.Tx, ids []int64) error {
	_, err := tx.Exec(ctx, `
		update product_images i set position = o.position from unnest($1::bigint[]) with ordinality as o (id, position)
		where i.id = o.id and i.position <> o.position`, ids)
	return err
}

// setAlt fails with ErrNotFound.
func setAlt(ctx context.Context, tx pgx.Tx, productID, id int64, alt string) error {
	return postgres.ExecOne(ctx, tx, ErrNotFound, `update product_images set alt = $3 where id = $2 and product_id = $1`, productID, id, alt)
}

// deleteRow fails with ErrNotFound. The files are free.
func deleteRow(ctx context.Context, tx pgx.Tx, productID, id int64) error {
	return postgres.ExecOne(ctx, tx, ErrNotFound, `
		with gone as (delete from product_images where id = $2 and product_id = $1 returning file)
		update image_files f set free_at = now() from gone where f.name = gone.file`, productID, id)
}

// DeleteAll removes all images of a product, in the transaction that archives it.
func DeleteAll(ctx context.Context, tx pgx.Tx, productID int64) error {
	_, err := tx.Exec(ctx, `
		with gone as (delete from product_images where product_id = $1 returning file)
		update image_files f set free_at = now() from gone where f.name = gone.file`, productID)
	return err
}
