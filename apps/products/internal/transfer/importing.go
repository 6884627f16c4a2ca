package transfer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/products/internal/product"
	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/postgres"
)

// importing is an import that is running.
type importing struct {
	*Service
	report     *ProductImportReport
	categories map[string]int64 // ids by slug, as far as known
	lines      map[string]int   // of accepted rows by SKU in lower case, at most maxSKULines
}

// rows imports the rows of a file. After a quote that is never closed, the report is of a broken import.
func (i *importing) rows(ctx context.Context, u *upload) error {
	var batch []parsedRow
	for row := range readRows(u) {
		if row.lineNumber == 0 {
			return errors.Join(i.batch(ctx, batch), row.err)
		}
		if errors.Is(row.err, ErrUnclosed) {
			i.report.State = Broken
		}
		batch = append(batch, row)
		if len(batch) == batchSize {
			if err := i.batch(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return i.batch(ctx, batch)
}

// batch imports rows in one transaction, or each in its own if one of them is refused.
func (i *importing) batch(ctx context.Context, rows []parsedRow) error {
	for n := range rows {
		if rows[n].err != nil || rows[n].row.Category == nil {
			continue
		}
		if err := i.resolveCategory(ctx, &rows[n]); err != nil {
			return err
		}
	}
	before := *i.report
	if i.upsertBatch(ctx, rows) == nil {
		return nil
	}
	*i.report = before
	for _, row := range rows {
		var result product.Result
		if row.err == nil {
			result, row.err = i.upsertRow(ctx, row.row)
		}
		if ctx.Err() != nil || postgres.IsUnavailable(row.err) || postgres.IsConflict(row.err) {
			return row.err
		}
		i.record(ctx, row, result)
	}
	return pgx.BeginFunc(ctx, i.db, func(tx pgx.Tx) error { return saveProgress(ctx, tx, i.report) })
}

// upsertBatch upserts the rows that could be parsed, and saves the progress in the same transaction.
func (i *importing) upsertBatch(ctx context.Context, rows []parsedRow) error {
	var valid []product.Row
	seen := map[string]bool{}
	for _, row := range rows {
		if row.err == nil {
			sku := strings.ToLower(row.row.SKU)
			if seen[sku] {
				return errDuplicateSKU
			}
			seen[sku] = true
			valid = append(valid, row.row.Row)
		}
	}
	return i.db.Tx(ctx, func(tx event.TX) error {
		results, err := product.Upsert(ctx, tx, i.defaults, valid)
		if err != nil {
			return err
		}
		for _, row := range rows {
			var result product.Result
			if row.err == nil {
				result, results = results[0], results[1:]
			}
			i.record(ctx, row, result)
		}
		return saveProgress(ctx, tx, i.report)
	})
}

// errDuplicateSKU makes batch import the rows one after the other.
var errDuplicateSKU = errors.New("duplicate SKU in a batch")

// upsertRow upserts a row, with up to five attempts where a concurrent transaction was first.
func (i *importing) upsertRow(ctx context.Context, row importRow) (result product.Result, err error) {
	for range 5 {
		err = i.db.Tx(ctx, func(tx event.TX) error {
			results, err := product.Upsert(ctx, tx, i.defaults, []product.Row{row.Row})
			if err == nil {
				result = results[0]
			}
			return err
		})
		generatedSlug := errors.Is(err, product.ErrSlugTaken) && row.Slug == nil
		if !postgres.IsConflict(err) && !errors.Is(err, product.ErrSKUTaken) && !generatedSlug {
			break
		}
	}
	return result, err
}

// resolveCategory sets the category id of a row that has a slug. A category that does not fit becomes the error of the
// row.
func (i *importing) resolveCategory(ctx context.Context, row *parsedRow) error {
	slug := *row.row.Category
	id, known := i.categories[slug]
	if !known {
		var err error
		if id, err = categoryID(ctx, i.db, slug); err != nil && !errors.Is(err, ErrNoCategory) {
			return err
		}
		if id != 0 {
			i.categories[slug] = id
		}
	}
	given := row.row.CategoryID
	switch {
	case id == 0:
		row.err = ErrNoCategory
	case given != nil && *given != id:
		row.err = ErrCategories
	}
	row.row.CategoryID = &id
	return nil
}

// record counts a row, with its error or its result.
func (i *importing) record(ctx context.Context, row parsedRow, result product.Result) {
	r, sku := i.report, strings.ToLower(row.row.SKU)
	r.Rows++
	if row.err != nil {
		r.Failed++
		if len(r.Errors) == maxErrors {
			r.OmittedErrors++
			return
		}
		r.Errors = append(r.Errors, i.rowError(ctx, row))
		return
	}
	if len(i.lines) < maxSKULines {
		i.lines[sku] = row.lineNumber
	}
	switch result {
	case product.Created:
		r.Created++
	case product.Updated:
		r.Updated++
	default:
		r.Unchanged++
	}
}

func (i *importing) rowError(ctx context.Context, row parsedRow) ImportRowError {
	f := fault.Of(row.err)
	if f.Kind == fault.Internal {
		slog.ErrorContext(ctx, "row of an import failed", "line", row.lineNumber, "sku", row.row.SKU, "err", row.err)
	}
	if line := i.lines[strings.ToLower(row.row.SKU)]; line > 0 && errors.Is(f, product.ErrSKUTaken) {
		f = f.With("sku", fmt.Sprintf("%s; line %d has that one", f.Fields["sku"], line))
	}
	return ImportRowError{
		LineNumber: row.lineNumber, SKU: row.row.SKU, Code: f.Code, Detail: f.Message, Errors: f.Fields,
	}
}
