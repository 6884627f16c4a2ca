package image_test

import (
	"strings"
	"testing"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestFormsOfImages: no part of a form is dropped.
func TestFormsOfImages(t *testing.T) {
	db, app, _, _ := newApp(t)
	admin := kittest.NewCaller(shop.Admin)
	body, header := form(t, "photo.jpg", picture(t, 640, 320), "A thing")
	// another is the form with one more part before its end.
	another := func(head, value string) string {
		_, boundary, _ := strings.Cut(header["Content-Type"], "boundary=")
		return strings.Replace(body, "--"+boundary+"--", "--"+boundary+"\r\nContent-Disposition: form-data; "+head+"\r\n\r\n"+value+"\r\n--"+boundary+"--", 1)
	}
	blank, blankHeader := form(t, "p.png", picture(t, 1, 1), "\u200b")
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "an unknown part", As: admin, Do: "POST /products/1/images", Body: another(`name="position"`, "2"), Header: header, Want: 422, Has: []string{`"position":"is not a known field"`}},
		{Name: "two alts", As: admin, Do: "POST /products/1/images", Body: another(`name="alt"`, "x"), Header: header, Want: 422, Has: []string{`"alt":"is given twice"`}},
		{Name: "two files", As: admin, Do: "POST /products/1/images", Body: another(`name="second"; filename="x"`, "x"), Header: header, Want: 422, Has: []string{`"second":"is given twice"`}},
		{Name: "an alt that is not UTF-8", As: admin, Do: "POST /products/1/images", Body: strings.Replace(body, "A thing", "Caf\xe9", 1), Header: header, Want: 400},
		{Name: "an alt of nothing visible", As: admin, Do: "POST /products/1/images", Body: blank, Header: blankHeader, Want: 422, Has: []string{`"alt"`}},
	})
}
