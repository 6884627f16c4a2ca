package e2e_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"strings"
	"testing"

	"sidecart/tests/client"
)

// noiseImage returns a PNG that compresses badly, of about w*h*3 bytes.
func noiseImage(t *testing.T, w, h int) []byte {
	t.Helper()
	picture, seed := image.NewNRGBA(image.Rect(0, 0, w, h)), uint32(1)
	for y := range h {
		for x := range w {
			seed = seed*1664525 + 1013904223
			picture.SetNRGBA(x, y, color.NRGBA{R: uint8(seed >> 24), G: uint8(seed >> 16), B: uint8(seed >> 8), A: 255}) //nolint:gosec // the low bits
		}
	}
	var out bytes.Buffer
	must(t, png.Encode(&out, picture))
	return out.Bytes()
}

func imageForm(t *testing.T, file []byte) (body, contentType string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	part, err := w.CreateFormFile("file", "image.png")
	must(t, err)
	_, err = part.Write(file)
	must(t, err)
	must(t, w.WriteField("alt", "Noise"))
	must(t, w.Close())
	return out.String(), w.FormDataContentType()
}

// images uploads 6 MB through both sidecars, and downloads the image that the binding stores.
func images(t *testing.T) {
	body, contentType := imageForm(t, noiseImage(t, 1600, 1280))
	res, err := admin.Do(t.Context(), "POST /api/v1/products/1/images", client.Raw(body), "Content-Type", contentType)
	must(t, err)
	var made struct{ ID, Width, Height int }
	must(t, res.Into(201, &made))
	path := fmt.Sprint("/api/v1/products/1/images/", made.ID)
	full, err := anonymous.Do(t.Context(), "GET "+path, nil)
	must(t, err)
	c, err := png.DecodeConfig(bytes.NewReader(full.Body))
	if err != nil || full.Status != 200 || c.Width != made.Width || c.Height != made.Height ||
		full.Header.Get("Content-Type") != "image/png" ||
		!strings.Contains(full.Header.Get("Cache-Control"), "immutable") || full.Header.Get("ETag") == "" {
		t.Errorf("%d, %+v of %+v, %v, %v", full.Status, c, made, full.Header, err)
	}
	again, err := anonymous.Do(t.Context(), "GET "+path, nil, "If-None-Match", full.Header.Get("ETag"))
	must(t, err)
	if again.Status != 304 || len(again.Body) != 0 {
		t.Errorf("%d with %d bytes", again.Status, len(again.Body))
	}
	small, err := anonymous.Do(t.Context(), "GET "+path+"?size=thumbnail", nil)
	must(t, err)
	if small.Status != 200 || len(small.Body) == 0 || len(small.Body) > 200_000 {
		t.Errorf("thumbnail: %d with %d bytes", small.Status, len(small.Body))
	}
	must(t, admin.Call(t.Context(), "DELETE "+path, nil, 204, nil))
	must(t, anonymous.Call(t.Context(), "GET "+path, nil, 404, nil))
}

// importExport imports more than 4 MB of products through both sidecars, searches for one, and exports all.
func importExport(t *testing.T) {
	var file strings.Builder
	file.WriteString("sku,name,description,price,category_id,initial_quantity,attr.color\n")
	const rows = 8000
	for i := range rows {
		fmt.Fprintf(&file, "W-%d,Umbrella %d,%s,%d.50,1,3,red\n", i, i, strings.Repeat("Keeps the rain off. ", 30), 1+i%90)
	}
	file.WriteString("W-0,,,not a price,,,\n")
	res, err := admin.Do(t.Context(), "POST /api/v1/products/import", client.Raw(file.String()), "Content-Type", "text/csv")
	must(t, err)
	var report struct {
		State           string
		Created, Failed int
		Errors          []struct{ Line int }
	}
	must(t, res.Into(200, &report))
	if report.State != "done" || report.Created != rows || report.Failed != 1 || report.Errors[0].Line != rows+2 {
		t.Errorf("%+v", report)
	}
	var found struct{ Items []struct{ SKU string } }
	must(t, anonymous.Call(t.Context(), "GET /api/v1/products?q=umbrela+4711&attr.color=red", nil, 200, &found))
	if len(found.Items) != 1 || found.Items[0].SKU != "W-4711" {
		t.Errorf("found %+v", found)
	}
	out, err := admin.Do(t.Context(), "GET /api/v1/products/export?format=jsonl", nil)
	must(t, err)
	if n := strings.Count(string(out.Body), "\n"); out.Status != 200 || n <= rows {
		t.Errorf("%d with %d lines", out.Status, n)
	}
}
