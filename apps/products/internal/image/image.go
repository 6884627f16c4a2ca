// Package image is what products look like: pictures that are looked at before they are believed, kept where the sidecar
// keeps files, and shown in an order.
package image

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/fault"
)

// Image is one picture of a product. Position is where it stands among the others, from 1.
type Image struct {
	ID        int64     `json:"id"`
	ProductID int64     `json:"product_id"`
	MediaType string    `json:"media_type"`
	Width     int       `json:"width"`
	Height    int       `json:"height"`
	Alt       string    `json:"alt"`
	Position  int       `json:"position"`
	CreatedAt time.Time `json:"created_at"`
}

// ImageUpdate is what an admin wants different; what is not named stays. A position past the end is the end.
type ImageUpdate struct {
	Alt      *string `json:"alt" validate:"omitempty,max=500,line" example:"A red desk lamp"`
	Position *int    `json:"position" validate:"omitempty,min=1,max=100"`
}

// Rendition is a file with what must be known to show it.
type Rendition struct {
	MediaType string
	Tag       string
	Bytes     []byte
}

// imageFile is where an image's files are.
type imageFile struct {
	File      uuid.UUID
	MediaType string
	SmallType string
	Tag       string
}

// maxImages is how many images a product has.
const maxImages = 20

// What can go wrong with images.
var (
	ErrNotFound   = fault.New(fault.NotFound, "image_not_found", "there is no such image")
	ErrNoProduct  = fault.New(fault.NotFound, "product_not_found", "there is no such product")
	ErrTooMany    = fault.New(fault.Conflict, "too_many_images", "a product has at most 20 images")
	ErrNoFile     = fault.ErrInvalid.With("file", "is missing: send it as a part with a file name")
	ErrAlt        = fault.ErrInvalid.With("alt", "must be a text of at most 500 characters on one line")
	ErrNotAnImage = fault.New(fault.Unsupported, "not_an_image", "the file is not a JPEG, PNG or WebP that can be read")
	ErrTooLarge   = fault.New(fault.TooLarge, "image_too_large", "an image has at most 8 MiB and 20 million pixels")
)

// reordered is the order of ids with one of them at another place, from 1.
func reordered(ids []int64, id int64, position int) []int64 {
	order := slices.DeleteFunc(slices.Clone(ids), func(other int64) bool { return other == id })
	return slices.Insert(order, min(position-1, len(order)), id)
}
