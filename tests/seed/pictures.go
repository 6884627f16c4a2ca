package main

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"mime/multipart"

	"sidecart/tests/client"
)

// pictures are drawn for the products that have none.
func (s *shop) pictures(ctx context.Context) error {
	var bare []product
	for _, p := range s.products {
		if len(p.Images) == 0 && !s.pictureless {
			bare = append(bare, p)
		}
	}
	return each(ctx, "pictures", len(bare), 4, func(ctx context.Context, i int) error {
		body, contentType, err := form(draw(bare[i].SKU), bare[i].Name)
		if err != nil {
			return err
		}
		a, err := patiently(ctx, s.admin, fmt.Sprintf("POST /api/v1/products/%d/images", bare[i].ID), client.Raw(body),
			"Content-Type", contentType, "Idempotency-Key", "seed picture "+bare[i].SKU)
		if err != nil {
			return err
		}
		return a.Into(201, nil)
	})
}

func form(file []byte, alt string) (body, contentType string, err error) {
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	part, err := w.CreateFormFile("file", "picture.jpg")
	if err == nil {
		_, err = part.Write(file)
	}
	if err == nil {
		err = w.WriteField("alt", alt)
	}
	if err == nil {
		err = w.Close()
	}
	return out.String(), w.FormDataContentType(), err
}

// draw makes a picture that belongs to a name and no other: discs of related colours on a ground that fades.
func draw(name string) []byte {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(name))                   // a hash takes everything
	dice := rand.New(rand.NewPCG(sum.Sum64(), 2026)) //nolint:gosec // the same each time, on purpose
	const w, h = 480, 360
	ground := color.RGBA{R: uint8(150 + dice.IntN(90)), G: uint8(150 + dice.IntN(90)), B: uint8(150 + dice.IntN(90)), A: 255} //nolint:gosec // below 256
	picture := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		fade := uint8(y * 60 / h) //nolint:gosec // below 60
		for x := range w {
			picture.SetRGBA(x, y, color.RGBA{R: ground.R - fade, G: ground.G - fade, B: ground.B - fade, A: 255})
		}
	}
	for range 5 + dice.IntN(4) {
		r, cx, cy := 20+dice.IntN(80), dice.IntN(w), dice.IntN(h)
		c := color.RGBA{R: ground.B - uint8(dice.IntN(140)), G: ground.R - uint8(dice.IntN(140)), B: ground.G - uint8(dice.IntN(140)), A: 255} //nolint:gosec // below 256
		for y := max(0, cy-r); y < min(h, cy+r); y++ {
			for x := max(0, cx-r); x < min(w, cx+r); x++ {
				if (x-cx)*(x-cx)+(y-cy)*(y-cy) < r*r {
					picture.SetRGBA(x, y, c)
				}
			}
		}
	}
	var out bytes.Buffer
	_ = jpeg.Encode(&out, picture, nil) // into memory, of a size that fits
	return out.Bytes()
}
