package transfer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sidecart/apps/products/internal/transfer"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// texts are made of characters that are special in files and spreadsheets.
func texts(maxParts int) *rapid.Generator[string] {
	part := rapid.SampledFrom([]string{"=", "+", "-", "@", "'", `"`, ",", ";", " ", "a", "B", "5", "1e3", "true", "null", "{", "\\", "é", "e\u0301", "中", "🎧", "\u00a0", "\ufeff", "\u2028",
		"\ufffd", "＝", "<b>", "&amp;", "%"})
	return rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(part, 0, maxParts).Draw(t, "parts"), "") })
}

func lines(maxParts int) *rapid.Generator[string] {
	end := rapid.SampledFrom([]string{"\r\n", "\n", "\r", "\t", "", "\n\n", "\r\r\n"})
	return rapid.Custom(func(t *rapid.T) string {
		return end.Draw(t, "before") + texts(maxParts).Draw(t, "text") + end.Draw(t, "between") + texts(maxParts).Draw(t, "rest") + end.Draw(t, "after")
	})
}

func attributes() *rapid.Generator[map[string]any] {
	number := rapid.SampledFrom([]string{"0", "5", "5.0", "5.00", "-1e3", "1E+2", "1.50e1", "1e-7", "1e20", "1e300", "-0", "0e5", "-5e-300", "12345678901234567890.123"})
	value := rapid.OneOf(
		rapid.Map(texts(6), func(text string) any { return text }),
		rapid.Map(number, func(text string) any { return json.RawMessage(text) }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }))
	name := rapid.Map(texts(3), func(text string) string { return "a." + text })
	return rapid.MapOfN(name, value, 0, 5)
}

// A product with a name of nothing visible is refused, so each text has a visible part.
func visible(text string) string { return text + "x" }

// TestRoundTrip: the export of any products changes nothing when it is imported, in both formats, and restores them in
// an empty database.
func TestRoundTrip(t *testing.T) {
	_, s := open(t)
	send := func(to *transfer.Service, mediaType, file string) (transfer.ProductImportReport, error) {
		return to.Import(t.Context(), shop.UserID{UUID: shop.NewID()}, "", web.Body{Reader: strings.NewReader(file), MediaType: mediaType})
	}
	export := func(from *transfer.Service, mediaType string) string {
		var file bytes.Buffer
		if err := from.Export(t.Context(), mediaType, &file); err != nil {
			t.Fatal(err)
		}
		return file.String()
	}
	made := 0
	rapid.Check(t, func(t *rapid.T) {
		var file bytes.Buffer
		count := rapid.IntRange(1, 5).Draw(t, "products")
		for range count {
			made++
			currency := rapid.SampledFrom([]string{"USD", "JPY", "KWD"}).Draw(t, "currency")
			price := map[string]string{"USD": "1.5", "JPY": "500", "KWD": "0.005"}[currency]
			row := map[string]any{
				"sku": fmt.Sprintf("R-%d", made), "name": visible(texts(8).Draw(t, "name")), "description": lines(8).Draw(t, "description"),
				"price": json.RawMessage(price), "currency": currency, "category": rapid.SampledFrom([]string{"chairs", "tables"}).Draw(t, "category"),
				"attributes": attributes().Draw(t, "attributes"), "metadata": attributes().Draw(t, "metadata"),
				"initial_quantity": rapid.IntRange(0, 9).Draw(t, "quantity"), "low_stock_threshold": rapid.IntRange(0, 3).Draw(t, "threshold"),
				"language": rapid.SampledFrom([]string{"en", "de", "simple"}).Draw(t, "language"),
			}
			if brand := texts(4).Draw(t, "brand"); brand != "" {
				row["brand"] = visible(brand)
			}
			encoder := json.NewEncoder(&file)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(row); err != nil {
				t.Fatal(err)
			}
		}
		if r, err := send(s, "application/x-ndjson", file.String()); err != nil || r.Created != count {
			t.Fatalf("%s: %+v, %v", file.String(), r, err)
		}
		if r, err := send(s, "application/x-ndjson", file.String()); err != nil || r.Unchanged != count {
			t.Fatalf("the same file again: %s: %+v, %v", file.String(), r, err)
		}
	})
	for _, mediaType := range []string{"text/csv", "application/x-ndjson"} {
		file := export(s, mediaType)
		if r, err := send(s, mediaType, file); err != nil || r.Unchanged != made || r.Rows != made {
			t.Errorf("%s: of %d products: %+v, %v", mediaType, made, r, err)
		}
		_, empty := open(t)
		if r, err := send(empty, mediaType, file); err != nil || r.Created != made {
			t.Errorf("%s into an empty database: of %d products: %+v, %v", mediaType, made, r, err)
		}
		if export(empty, mediaType) != file {
			t.Errorf("%s: the export of the restored products differs", mediaType)
		}
	}
}

// TestObsoleteCurrency: a product whose currency ISO 4217 has no longer stays as it is in a round trip, and gets no
// other price in it.
func TestObsoleteCurrency(t *testing.T) {
	db, s := open(t)
	send := func(file string) (transfer.ProductImportReport, error) {
		return s.Import(t.Context(), shop.UserID{UUID: shop.NewID()}, "", jsonLines(strings.NewReader(file)))
	}
	if r, err := send(`{"sku":"O-1","name":"Old","price":5,"category":"chairs"}`); err != nil || r.Created != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := db.Exec(t.Context(), `update products set currency = 'DEM'`); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := s.Export(t.Context(), "application/x-ndjson", &file); err != nil {
		t.Fatal(err)
	}
	if r, err := send(file.String()); err != nil || r.Unchanged != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := send(`{"sku":"O-1","price":6}`); err != nil || r.Failed != 1 || r.Errors[0].Errors["currency"] == "" {
		t.Errorf("%+v, %v", r, err)
	}
}
