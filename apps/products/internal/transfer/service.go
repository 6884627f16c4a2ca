package transfer

import (
	"context"
	"embed"
	"errors"
	"io"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/products/internal/product"
	"sidecart/kit/event"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations create the table of imports.
var Migrations = postgres.Migrations{Name: "transfer", Files: postgres.Sub(files)}

// Service imports and exports products.
type Service struct {
	db       *event.Outbox
	defaults product.Defaults
}

// NewService takes the defaults of new products.
func NewService(db *event.Outbox, defaults product.Defaults) *Service { return &Service{db, defaults} }

// Import reads a file row by row: a new SKU creates a product, a known one updates it. Each row is accepted or refused
// as a whole. Importing the same file again changes nothing. Import fails with ErrCharset, or if the file cannot be
// read to its end; the rows before stay imported, and the import is broken. With a key, the same file returns the same
// report for a day; it fails with ErrRunning while the first import is running, and with idempotency.ErrReused for
// another file.
func (s *Service) Import(
	ctx context.Context, by shop.UserID, key string, file web.Body,
) (ProductImportReport, error) {
	r := ProductImportReport{
		ProductImport: ProductImport{ID: shop.NewID(), State: Running}, Errors: []ImportRowError{},
	}
	u, err := newUpload(by, key, file)
	if err != nil {
		return r, err
	}
	earlier, err := s.claim(ctx, u, &r)
	switch {
	case err != nil:
		return r, err
	case earlier != nil:
		return earlier.replay(u)
	}
	i := importing{Service: s, report: &r, categories: map[string]int64{}, lines: map[string]int{}}
	err = i.rows(ctx, u)
	return r, s.finish(ctx, &r, u, err)
}

// finish stores the result of an import, also after ctx is done. It returns failure, the error that broke the import.
func (s *Service) finish(ctx context.Context, r *ProductImportReport, u *upload, failure error) error {
	var digest []byte
	if failure == nil {
		digest, failure = u.sum()
	}
	switch {
	case failure != nil:
		r.State = Broken
	case r.State == Running:
		r.State = Done
	}
	ctx = context.WithoutCancel(ctx)
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		err := saveProgress(ctx, tx, r)
		if err == nil && u.key != nil && r.State == Done {
			err = saveReport(ctx, tx, r, digest)
		}
		return err
	})
	return errors.Join(failure, err)
}

// Imports lists the imports with their progress, newest first.
func (s *Service) Imports(ctx context.Context, q web.PageQuery) (web.Page[ProductImport], error) {
	return web.PageOf(q, uuid.Max, func(before uuid.UUID, limit int) ([]ProductImport, error) {
		return list(ctx, s.db, before, limit)
	}, func(i ProductImport) uuid.UUID { return i.ID })
}

// Export writes all products on sale, by id, in pages. It includes products that are added during the export.
func (s *Service) Export(ctx context.Context, mediaType string, to io.Writer) error {
	write, flush := newWriter(mediaType, to)
	for after := int64(0); ; {
		rows, err := exportPage(ctx, s.db, after)
		if err != nil || len(rows) == 0 {
			return errors.Join(err, flush())
		}
		for _, row := range rows {
			if err := write(row); err != nil {
				return err
			}
		}
		after = rows[len(rows)-1].ID
	}
}
