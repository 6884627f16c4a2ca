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

// pictures draws pictures of the products without one.
func (s *shop) pictures(ctx context.Context) error {
	var without []product
	for _, p := range s.products {
		if len(p.Images) == 0 && !s.noPictures {
			without = append(without, p)
		}
	}
	return each(ctx, "pictures", len(without), 4, func(ctx context.Context, i int) error {
		body, contentType, err := form(draw(without[i].SKU), without[i].Name)
		if err != nil {
			return err
		}
		res, err := retry(ctx, s.admin, fmt.Sprintf("POST /api/v1/products/%d/images", without[i].ID), client.Raw(body),
			"Content-Type", contentType, "Idempotency-Key", "seed picture "+without[i].SKU)
		if err != nil {
			return err
		}
		return res.Into(201, nil)
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

// draw draws the picture of a name: discs of related colours on a fading ground.
func draw(name string) []byte {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(name))                   // never fails
	dice := rand.New(rand.NewPCG(sum.Sum64(), 2026)) //nolint:gosec // the same in each run
	const w, h = 480, 360
	bright := func() uint8 { return uint8(150 + dice.IntN(90)) } //nolint:gosec // below 256
	ground := color.RGBA{R: bright(), G: bright(), B: bright(), A: 255}
	picture := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		fade := uint8(y * 60 / h) //nolint:gosec // below 60
		for x := range w {
			picture.SetRGBA(x, y, color.RGBA{R: ground.R - fade, G: ground.G - fade, B: ground.B - fade, A: 255})
		}
	}
	for range 5 + dice.IntN(4) {
		r, cx, cy := 20+dice.IntN(80), dice.IntN(w), dice.IntN(h)
		darker := func(v uint8) uint8 { return v - uint8(dice.IntN(140)) } //nolint:gosec // below 256
		c := color.RGBA{R: darker(ground.B), G: darker(ground.R), B: darker(ground.G), A: 255}
		for y := max(0, cy-r); y < min(h, cy+r); y++ {
			for x := max(0, cx-r); x < min(w, cx+r); x++ {
				if (x-cx)*(x-cx)+(y-cy)*(y-cy) < r*r {
					picture.SetRGBA(x, y, c)
				}
			}
		}
	}
	var out bytes.Buffer
	_ = jpeg.Encode(&out, picture, nil) // in memory, of a valid size
	return out.Bytes()
}
