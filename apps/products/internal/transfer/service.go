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

// Migrations are the table of imports.
var Migrations = postgres.Migrations{Name: "transfer", Files: postgres.Sub(files)}

// Service brings goods in and out.
type Service struct {
	db       *event.Outbox
	language string
}

// NewService works on an open database. language is that of new products of which a file does not say it.
func NewService(db *event.Outbox, language string) *Service { return &Service{db, language} }

// Import takes a file row by row: a new SKU is a new product, a known one is changed in what the row names. A row is taken
// whole or not at all. Taking the same file again changes nothing more. It fails where the file cannot be read to its end; the
// rows before stay taken, and the import is broken. With a key, the same file answers the same report for a day; it fails with ErrRunning
// while the first is still under way, and with idempotency.ErrReused for another file.
func (s *Service) Import(ctx context.Context, by shop.UserID, key, mediaType string, file io.Reader) (ProductImportReport, error) {
	r, u := ProductImportReport{ProductImport: ProductImport{ID: shop.NewID(), State: Running}, Errors: []ImportRowError{}}, newUpload(by, key, mediaType, file)
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

func (s *Service) importRows(ctx context.Context, r *ProductImportReport, u *upload) (err error) {
	categories := map[string]*int64{}
	var waiting []parsedRow
	for n := range readRows(u.mediaType, u) {
		if n.line == 0 {
			err = n.err
			break
		}
		waiting = append(waiting, n)
		if len(waiting) == batchSize {
			if err = s.importBatch(ctx, r, waiting, categories); err != nil {
				break
			}
			waiting = waiting[:0]
		}
	}
	if err == nil {
		err = s.importBatch(ctx, r, waiting, categories)
	}
	return err
}

// finish notes how it ended, also when whoever asked is gone, and answers why it broke.
func (s *Service) finish(ctx context.Context, r *ProductImportReport, u *upload, why error) error {
	var sum []byte
	if why == nil {
		sum, why = u.sum()
	}
	r.State = Done
	if why != nil {
		r.State = Broken
	}
	ctx = context.WithoutCancel(ctx)
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) (err error) {
		if r.SeenAt, err = update(ctx, tx, r.ProductImport); err == nil && u.key != nil && r.State == Done {
			err = saveReport(ctx, tx, r, sum)
		}
		return err
	})
	return errors.Join(why, err)
}

// importBatch takes rows: together if nothing is wrong with any of them, else those that can be, one by one.
func (s *Service) importBatch(ctx context.Context, r *ProductImportReport, rows []parsedRow, categories map[string]*int64) error {
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
	for _, n := range rows {
		outcome := product.Outcome("")
		if n.err == nil {
			outcome, n.err = s.upsertRow(ctx, n.row)
		}
		if ctx.Err() != nil || postgres.IsUnavailable(n.err) || postgres.IsConflict(n.err) {
			return n.err
		}
		r.record(n, outcome, n.err)
	}
	return s.saveProgress(ctx, r)
}

// upsertBatch takes those rows that could be read, in one transaction with how far the import has come.
func (s *Service) upsertBatch(ctx context.Context, r *ProductImportReport, rows []parsedRow) error {
	var lines []product.Row
	seen := map[string]bool{}
	for _, n := range rows {
		if n.err == nil {
			if seen[n.row.SKU] {
				return errDuplicateSKU
			}
			seen[n.row.SKU] = true
			lines = append(lines, n.row.Row)
		}
	}
	return s.db.Tx(ctx, func(tx event.TX) error {
		outcomes, err := product.Upsert(ctx, tx, s.language, lines)
		if err != nil {
			return err
		}
		for _, n := range rows {
			outcome := product.Outcome("")
			if n.err == nil {
				outcome, outcomes = outcomes[0], outcomes[1:]
			}
			r.record(n, outcome, n.err)
		}
		_, err = update(ctx, tx, r.ProductImport)
		return err
	})
}

// errDuplicateSKU sends rows of the same SKU one after the other.
var errDuplicateSKU = errors.New("a SKU is there twice")

// upsertRow takes a row, again where somebody else's change was in the way.
func (s *Service) upsertRow(ctx context.Context, one importRow) (outcome product.Outcome, err error) {
	for range 3 {
		err = s.db.Tx(ctx, func(tx event.TX) error {
			outcomes, err := product.Upsert(ctx, tx, s.language, []product.Row{one.Row})
			if err == nil {
				outcome = outcomes[0]
			}
			return err
		})
		if !postgres.IsConflict(err) {
			break
		}
	}
	return outcome, err
}

func (s *Service) saveProgress(ctx context.Context, r *ProductImportReport) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		_, err := update(ctx, tx, r.ProductImport)
		return err
	})
}

// resolveCategory puts the number of a category in place of its slug. It fails with ErrNoCategory.
func (s *Service) resolveCategory(ctx context.Context, one *importRow, categories map[string]*int64) error {
	if one.Category == nil {
		return nil
	}
	id, ok := categories[*one.Category]
	if !ok {
		var err error
		if id, err = categoryOf(ctx, s.db, *one.Category); err != nil {
			return err
		}
		if id != nil {
			categories[*one.Category] = id
		}
	}
	if id == nil {
		return ErrNoCategory
	}
	one.CategoryID = id
	return nil
}

// Imports is how far each import has come, the last first.
func (s *Service) Imports(ctx context.Context, q web.PageQuery) (web.Page[ProductImport], error) {
	return web.PageOf(q, uuid.Nil, func(before uuid.UUID, most int) ([]ProductImport, error) {
		return list(ctx, s.db, before, most)
	}, func(i ProductImport) uuid.UUID { return i.ID })
}

// Export writes all that is on sale, by number, some at a time. What is put on sale meanwhile is in it too.
func (s *Service) Export(ctx context.Context, mediaType string, to io.Writer) error {
	write, flush := newWriter(mediaType, to)
	for after := int64(0); ; {
		goods, err := exportPage(ctx, s.db, after)
		if err != nil || len(goods) == 0 {
			return errors.Join(err, flush())
		}
		for _, g := range goods {
			if err := write(g); err != nil {
				return err
			}
		}
		after = goods[len(goods)-1].ID
	}
}
