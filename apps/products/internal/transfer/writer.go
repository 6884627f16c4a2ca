package transfer

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"

	"sidecart/apps/products/internal/product"
	"sidecart/kit/shop"
)

// exportRow is a product in a file. An import of the file into an empty database restores it.
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

// newWriter returns functions that write a row and end the file.
func newWriter(mediaType string, to io.Writer) (write func(exportRow) error, flush func() error) {
	if mediaType == linesType {
		lines := json.NewEncoder(to)
		return func(r exportRow) error { return lines.Encode(r) }, func() error { return nil }
	}
	cells := csv.NewWriter(to)
	_ = cells.Write([]string{"sku", "name", "description", "slug", "price", "currency", "category", "brand", "language",
		"attributes", "metadata", "initial_quantity", "low_stock_threshold"}) // buffered: flush returns errors
	write = func(r exportRow) error {
		return cells.Write([]string{r.SKU, neutral(r.Name), neutral(r.Description), r.Slug, r.Price.String(), r.Currency,
			r.Category, neutral(r.Brand), r.Language, string(mustJSON(r.Attributes)), string(mustJSON(r.Metadata)),
			strconv.Itoa(r.InitialQuantity), strconv.Itoa(r.LowStockThreshold)})
	}
	return write, func() error {
		cells.Flush()
		return cells.Error()
	}
}
