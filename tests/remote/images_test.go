package remote

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"testing"

	"sidecart/tests/client"
)

// images: a picture that is uploaded can be read, as it is and smaller.
func images(t *testing.T) {
	body, contentType := picture(t)
	res, err := admin.Do(t.Context(), "POST /api/v1/products/1/images", client.Raw(body), "Content-Type", contentType)
	must(t, err)
	var stored struct{ ID int64 }
	must(t, res.Into(201, &stored))
	path := fmt.Sprint("/api/v1/products/1/images/", stored.ID)
	for _, size := range []string{"", "?size=thumbnail"} {
		read, err := anonymous.Do(t.Context(), "GET "+path+size, nil)
		must(t, err)
		if read.Status != 200 || len(read.Body) == 0 {
			t.Errorf("%s: %d with %d bytes", path+size, read.Status, len(read.Body))
		}
	}
}

// picture is a form with a small picture.
func picture(t *testing.T) (body, contentType string) {
	t.Helper()
	drawn := image.NewRGBA(image.Rect(0, 0, 640, 480))
	for x := range 640 {
		for y := range 480 {
			drawn.Set(x, y, color.RGBA{R: uint8(x / 3), G: uint8(y / 2), B: 90, A: 255}) //nolint:gosec // below 256
		}
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "headphones.png")
	must(t, err)
	must(t, png.Encode(part, drawn))
	must(t, w.Close())
	return form.String(), w.FormDataContentType()
}
