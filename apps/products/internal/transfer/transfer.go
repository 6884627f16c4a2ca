// Package transfer imports and exports products as CSV or JSON lines. It streams files row by row, in constant memory.
package transfer

import (
	"time"

	"github.com/google/uuid"

	"sidecart/apps/products/internal/product"
	"sidecart/kit/fault"
)

// ProductImport is the progress of an import. Imported rows stay imported even if the import breaks.
type ProductImport struct {
	ID        uuid.UUID   `json:"id"`
	State     ImportState `json:"state" validate:"oneof=running done broken"`
	Rows      int         `json:"rows"` // read so far
	Created   int         `json:"created"`
	Updated   int         `json:"updated"`
	Unchanged int         `json:"unchanged"`
	Failed    int         `json:"failed"`
	StartedAt time.Time   `json:"started_at"`
	SeenAt    time.Time   `json:"seen_at"` // of the last progress
}

// ImportState is the state of an import.
type ImportState string

// An import is broken if its file cannot be read to its end, or without progress for two minutes: its replica has
// stopped.
const (
	Running ImportState = "running"
	Done    ImportState = "done"
	Broken  ImportState = "broken"
)

// ProductImportReport is a finished import with the errors of refused rows.
type ProductImportReport struct {
	ProductImport
	Errors        []ImportRowError `json:"errors"`
	OmittedErrors int              `json:"errors_left_off"` // refused rows beyond those in Errors
}

// ImportRowError is the error of a refused row.
type ImportRowError struct {
	LineNumber int               `json:"line"` // in the file, from 1
	SKU        string            `json:"sku"`
	Code       string            `json:"code"`
	Detail     string            `json:"detail"`
	Errors     map[string]string `json:"errors,omitempty"`
}

// importRow is a row of a file. Category is a slug, an alternative to category_id.
type importRow struct {
	product.Row
	Category *string `json:"category" validate:"omitempty,max=120"`
}

// parsedRow is a row with its line, or its error. Line 0 is an error of the file.
type parsedRow struct {
	lineNumber int
	row        importRow
	err        error
}

// Limits of an import.
const (
	maxFileBytes   = 64 << 20
	batchSize      = 500   // rows in a transaction
	maxErrors      = 1_000 // in a report
	maxRecordBytes = 1 << 20
	maxSKULines    = 100_000 // SKUs whose line the error of a later row names
)

// Errors of imports.
var (
	ErrHeader     = fault.ErrInvalid.With("file", "must begin with a header of known, distinct columns that include sku")
	ErrCharset    = fault.New(fault.Unsupported, "unsupported_charset", "the charset of the Content-Type is unknown")
	ErrNoCategory = fault.ErrInvalid.With("category", "there is no such category")
	ErrCategories = fault.ErrInvalid.With("category", "is another one than category_id")
	ErrLine       = fault.New(fault.Malformed, "malformed_line", "the line cannot be read")
	ErrUnclosed   = fault.New(fault.Malformed, "unclosed_quote", "the file ended inside a quote")
	ErrRunning    = fault.New(fault.Conflict, "import_running",
		"the import with this Idempotency-Key is still running").WithRetryAfter(5)
	ErrLongLine = fault.New(fault.TooLarge, "line_too_long", "a record has at most 1 MiB")
)
