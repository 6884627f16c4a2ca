package transfer

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"

	"sidecart/apps/products/internal/product"
	"sidecart/kit/shop"
)

// exportRow is a product as a file has it: what an import of the file into an empty shop needs.
type exportRow struct {
	ID                int64                             `json:"-"`
	SKU               string                            `json:"sku"`
	Name              string                            `json:"name"`
	Description       string                            `json:"description"`
	Slug              string                            `json:"slug"`
	Price             shop.Money                        `json:"price"`
	Currency          string                            `json:"currency"`
	Category          string                            `json:"category"`
	Brand             string                            `json:"brand"`
	Language          string                            `json:"language"`
	Attributes        map[string]product.AttributeValue `json:"attributes"`
	Metadata          map[string]product.AttributeValue `json:"metadata"`
	InitialQuantity   int                               `json:"initial_quantity"`
	LowStockThreshold int                               `json:"low_stock_threshold"`
}

// newWriter writes goods one by one; flush ends the file.
func newWriter(mediaType string, to io.Writer) (write func(exportRow) error, flush func() error) {
	if mediaType == linesType {
		lines := json.NewEncoder(to)
		return func(g exportRow) error { return lines.Encode(g) }, func() error { return nil }
	}
	cells := csv.NewWriter(to)
	_ = cells.Write([]string{"sku", "name", "description", "slug", "price", "currency", "category", "brand", "language", "attributes", "metadata",
		"initial_quantity", "low_stock_threshold"}) // into a buffer; flush tells of errors
	write = func(g exportRow) error {
		return cells.Write([]string{g.SKU, g.Name, g.Description, g.Slug, g.Price.String(), g.Currency, g.Category, g.Brand, g.Language,
			string(mustJSON(g.Attributes)), string(mustJSON(g.Metadata)), strconv.Itoa(g.InitialQuantity), strconv.Itoa(g.LowStockThreshold)})
	}
	return write, func() error {
		cells.Flush()
		return cells.Error()
	}
}
