package image_test

import (
	"bytes"
	"os"
	"testing"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestFormats: each file of testdata is stored upright and in sRGB, or refused with a reason.
func TestFormats(t *testing.T) {
	db, app, _, _ := newApp(t)
	admin := kittest.NewCaller(shop.Admin)
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "category", As: admin, Do: "POST /categories", Body: `{"name":"Things"}`, Want: 201},
		{Name: "product", As: admin, Do: "POST /products", Body: `{"name":"Thing","sku":"T","price":1,"category_id":1}`, Want: 201, Emits: []string{"products.changed"}},
	})
	read := func(name string) []byte {
		t.Helper()
		file, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	unmarked := bytes.Replace(read("cmyk.jpg"), []byte("Adobe"), []byte("Other"), 1)
	for _, c := range []struct {
		name string
		file []byte
		want int
		has  string
	}{
		{"turned.webp", read("turned.webp"), 201, `"width":24,"height":48`},
		{"turned.png", read("turned.png"), 201, `"media_type":"image/png","width":24,"height":48`},
		{"display-p3.jpg", read("display-p3.jpg"), 201, `"media_type":"image/jpeg","width":16,"height":8`},
		{"cmyk.jpg", read("cmyk.jpg"), 201, `"media_type":"image/jpeg","width":16,"height":8`},
		{"animated.webp", read("animated.webp"), 415, `"image_animated"`},
		{"unmarked CMYK", unmarked, 415, `"image_cmyk"`},
		{"half of a PNG", read("interlaced.png")[:80], 415, `"not_an_image"`},
	} {
		body, header := form(t, c.name, c.file, "")
		call := kittest.Call{Name: c.name, As: admin, Do: "POST /products/1/images", Body: body, Header: header, Want: c.want, Has: []string{c.has}}
		if c.want == 201 {
			call.Emits = []string{"products.changed"}
		}
		kittest.Run(t, app, db, []kittest.Call{call})
	}
}
