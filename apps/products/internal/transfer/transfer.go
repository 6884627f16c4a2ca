// Package transfer brings goods in and out by the file: each line on its own, as fast as it is read, in the same little
// memory however long the file is.
package transfer

import (
	"time"

	"github.com/google/uuid"

	"sidecart/apps/products/internal/product"
	"sidecart/kit/fault"
)

// ProductImport is how far a file has come. Rows that were taken stay taken, whatever becomes of the rest.
type ProductImport struct {
	ID        uuid.UUID   `json:"id"`
	State     ImportState `json:"state"`
	Rows      int         `json:"rows"` // read so far
	Created   int         `json:"created"`
	Updated   int         `json:"updated"`
	Unchanged int         `json:"unchanged"`
	Failed    int         `json:"failed"`
	StartedAt time.Time   `json:"started_at"`
	SeenAt    time.Time   `json:"seen_at"` // when it last went on
}

// ImportState is whether an import goes on.
type ImportState string

// An import that has not gone on for two minutes is broken too: whoever ran it has died.
const (
	Running ImportState = "running"
	Done    ImportState = "done"
	Broken  ImportState = "broken"
)

// ProductImportReport is an import that is done, and what was wrong with the rows that were not taken.
type ProductImportReport struct {
	ProductImport
	Errors []ImportRowError `json:"errors"`
	// LeftOff is how many more rows failed than Errors tells of.
	OmittedErrors int `json:"errors_left_off"`
}

// ImportRowError is what was wrong with one row. Nothing of it was taken.
type ImportRowError struct {
	Line   int               `json:"line"` // in the file, from 1
	SKU    string            `json:"sku"`
	Code   string            `json:"code"`
	Detail string            `json:"detail"`
	Errors map[string]string `json:"errors,omitempty"`
}

// importRow is one product as a file has it. Category is the slug of one, in place of its number.
type importRow struct {
	product.Row
	Category *string `json:"category" validate:"omitempty,max=120"`
}

// parsedRow is a row with its line, or what is wrong with it.
type parsedRow struct {
	line int
	row  importRow
	err  error
}

// What bounds an import.
const (
	maxFileBytes = 64 << 20
	batchSize    = 500   // rows in a transaction
	maxErrors    = 1_000 // that a report tells of
	maxLineBytes = 1 << 20
)

// What can go wrong with a file as a whole.
var (
	ErrHeader     = fault.ErrInvalid.With("file", "begins with the names of its columns, among them sku, each known and once")
	ErrNoCategory = fault.ErrInvalid.With("category", "there is no such category")
	ErrLine       = fault.New(fault.Malformed, "malformed_line", "the line cannot be read")
	ErrRunning    = fault.New(fault.Conflict, "import_running", "the import with this Idempotency-Key is still under way").WithRetryAfter(5)
	ErrLongLine   = fault.New(fault.TooLarge, "line_too_long", "a line has at most 1 MiB")
)

// record adds what became of a row.
func (r *ProductImportReport) record(n parsedRow, outcome product.Outcome, err error) {
	r.Rows++
	switch {
	case err != nil:
		r.Failed++
		if len(r.Errors) == maxErrors {
			r.OmittedErrors++
			return
		}
		f := fault.Of(err)
		r.Errors = append(r.Errors, ImportRowError{Line: n.line, SKU: n.row.SKU, Code: f.Code, Detail: f.Message, Errors: f.Fields})
	case outcome == product.Created:
		r.Created++
	case outcome == product.Updated:
		r.Updated++
	default:
		r.Unchanged++
	}
}
