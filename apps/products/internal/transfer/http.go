package transfer

import (
	"context"
	"io"
	"strings"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

const timeout = 10 * time.Minute

// Routes adds the routes of imports and exports.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /products/import", shop.ManageCatalogue, s.handleImport, web.BodyLimit(maxFileBytes),
		web.Timeout(timeout), web.Fails(ErrHeader, ErrLine, ErrLongLine, ErrCharset, ErrRunning, idempotency.ErrReused),
		web.Doc("importProducts", "products", "Import products"),
		web.Describe("From CSV or JSON lines, row by row. Products with a known SKU are updated; initial_quantity is that of new products. CSV may have a charset, like "+
			"text/csv; charset=windows-1252. One apostrophe before a cell that begins with = + - @, a tab or a line end is taken off."))
	web.Handle(app, "GET /products/imports", shop.ManageCatalogue, s.handleImports, web.NoStore,
		web.Doc("listImports", "products", "List product imports"), web.Describe("With their progress, newest first."))
	web.Handle(app, "GET /products/export", shop.ManageCatalogue, s.handleExport, web.NoStore, web.Timeout(timeout),
		web.Produces(csvType, linesType),
		web.Doc("exportProducts", "products", "Export products"),
		web.Describe("All products on sale, without images, as CSV or JSON lines. In CSV, a text that begins with = + - @, a tab or a "+
			"line end has an apostrophe in front, so that spreadsheets do not run it; an import takes it off again."))
}

type importInput struct {
	Key  string   `header:"Idempotency-Key" doc:"Makes the request safe to retry: the same key and file get the report of the first import again, for 24 hours."`
	File web.Body `body:"text/csv,application/x-ndjson"`
}

func (s *Service) handleImport(ctx context.Context, caller shop.Caller, in importInput) (ProductImportReport, error) {
	unprintable := func(r rune) bool { return r < ' ' || r > '~' }
	if len(in.Key) > idempotency.MaxLength || strings.ContainsFunc(in.Key, unprintable) {
		err := fault.ErrInvalid.With(idempotency.Header, "must be 1 to 255 printable ASCII characters")
		return ProductImportReport{}, err
	}
	return s.Import(ctx, caller.ID, in.Key, in.File)
}

func (s *Service) handleImports(ctx context.Context, _ shop.Caller, in web.PageQuery) (web.Page[ProductImport], error) {
	return s.Imports(ctx, in)
}

type exportInput struct {
	Format string `query:"format" default:"csv" validate:"oneof=csv jsonl" doc:"CSV or JSON lines."`
}

func (s *Service) handleExport(_ context.Context, _ shop.Caller, in exportInput) (web.Content, error) {
	mediaType := map[string]string{"csv": csvType, "jsonl": linesType}[in.Format]
	return web.Content{
		MediaType: mediaType,
		Header:    map[string]string{"Content-Disposition": `attachment; filename="products.` + in.Format + `"`},
		Write:     func(ctx context.Context, w io.Writer) error { return s.Export(ctx, mediaType, w) },
	}, nil
}
