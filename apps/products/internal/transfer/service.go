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
	language string
}

// NewService takes the default language of products.
func NewService(db *event.Outbox, language string) *Service { return &Service{db, language} }

// Import reads a file row by row: a new SKU creates a product, a known one updates it. Each row is accepted or refused
// as a whole. Importing the same file again changes nothing. Import fails if the file cannot be read to its end; the
// rows before stay imported, and the import is broken. With a key, the same file returns the same report for a day; it
// fails with ErrRunning while the first import is running, and with idempotency.ErrReused for another file.
func (s *Service) Import(
	ctx context.Context, by shop.UserID, key, mediaType string, file io.Reader,
) (ProductImportReport, error) {
	u := newUpload(by, key, mediaType, file)
	r := ProductImportReport{
		ProductImport: ProductImport{ID: shop.NewID(), State: Running}, Errors: []ImportRowError{},
	}
	earlier, err := s.claim(ctx, u, &r)
	switch {
	case err != nil:
		return r, err
	case earlier != nil:
		return earlier.replay(u)
	}
	err = s.importRows(ctx, &r, u)
	return r, s.finish(ctx, &r, u, err)
}

func (s *Service) importRows(ctx context.Context, r *ProductImportReport, u *upload) error {
	categories := map[string]int64{}
	var batch []parsedRow
	for row := range readRows(u.mediaType, u) {
		if row.lineNumber == 0 {
			return row.err
		}
		batch = append(batch, row)
		if len(batch) == batchSize {
			if err := s.importBatch(ctx, r, batch, categories); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return s.importBatch(ctx, r, batch, categories)
}

// finish stores the result of an import, also after ctx is done. It returns failure, the error that broke the import.
func (s *Service) finish(ctx context.Context, r *ProductImportReport, u *upload, failure error) error {
	var digest []byte
	if failure == nil {
		digest, failure = u.sum()
	}
	r.State = Done
	if failure != nil {
		r.State = Broken
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

// importBatch imports rows in one transaction, or each in its own if one of them is refused.
func (s *Service) importBatch(
	ctx context.Context, r *ProductImportReport, rows []parsedRow, categories map[string]int64,
) error {
	for i := range rows {
		if rows[i].err == nil {
			rows[i].err = s.resolveCategory(ctx, &rows[i].row, categories)
		}
	}
	before := *r
	err := s.upsertBatch(ctx, r, rows)
	if err == nil {
		return nil
	}
	*r = before
	for _, row := range rows {
		var result product.Result
		if row.err == nil {
			result, row.err = s.upsertRow(ctx, row.row)
		}
		if ctx.Err() != nil || postgres.IsUnavailable(row.err) || postgres.IsConflict(row.err) {
			return row.err
		}
		r.record(row, result)
	}
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return saveProgress(ctx, tx, r) })
}

// upsertBatch upserts the rows that could be parsed, and saves the progress in the same transaction.
func (s *Service) upsertBatch(ctx context.Context, r *ProductImportReport, rows []parsedRow) error {
	var valid []product.Row
	seen := map[string]bool{}
	for _, row := range rows {
		if row.err == nil {
			if seen[row.row.SKU] {
				return errDuplicateSKU
			}
			seen[row.row.SKU] = true
			valid = append(valid, row.row.Row)
		}
	}
	return s.db.Tx(ctx, func(tx event.TX) error {
		results, err := product.Upsert(ctx, tx, s.language, valid)
		if err != nil {
			return err
		}
		for _, row := range rows {
			var result product.Result
			if row.err == nil {
				result, results = results[0], results[1:]
			}
			r.record(row, result)
		}
		return saveProgress(ctx, tx, r)
	})
}

// errDuplicateSKU makes importBatch import the rows one after the other.
var errDuplicateSKU = errors.New("duplicate SKU in a batch")

// upsertRow upserts a row, with up to three attempts on conflicts with concurrent transactions.
func (s *Service) upsertRow(ctx context.Context, row importRow) (result product.Result, err error) {
	for range 3 {
		err = s.db.Tx(ctx, func(tx event.TX) error {
			results, err := product.Upsert(ctx, tx, s.language, []product.Row{row.Row})
			if err == nil {
				result = results[0]
			}
			return err
		})
		if !postgres.IsConflict(err) {
			break
		}
	}
	return result, err
}

// resolveCategory sets the category id of a row by its slug. categories caches ids. It fails with ErrNoCategory.
func (s *Service) resolveCategory(ctx context.Context, row *importRow, categories map[string]int64) (err error) {
	if row.Category == nil {
		return nil
	}
	id, ok := categories[*row.Category]
	if !ok {
		if id, err = categoryID(ctx, s.db, *row.Category); err != nil {
			return err
		}
		categories[*row.Category] = id
	}
	row.CategoryID = &id
	return nil
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
