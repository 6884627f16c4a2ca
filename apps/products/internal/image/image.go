// Package image manages the images of products: it validates and re-encodes uploads, stores the files behind a binding
// of the sidecar, and keeps their order.
package image

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/fault"
)

// Image is an image of a product. Position is its rank among the product's images, from 1 without gaps.
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

// ImageUpdate changes the fields that are set. A position past the end moves the image to the end.
type ImageUpdate struct {
	Alt      *string `json:"alt" validate:"omitempty,max=500,line" example:"A red desk lamp"`
	Position *int    `json:"position" validate:"omitempty,min=1,max=100"`
}

// Rendition is an encoding of an image, in full size or as a thumbnail. Tag is its ETag.
type Rendition struct {
	MediaType string
	Tag       string
	Bytes     []byte
}

// imageFile names the files of an image and their media types.
type imageFile struct {
	File      uuid.UUID
	MediaType string
	SmallType string
	Tag       string
}

const maxImages = 20

// Errors of images.
var (
	ErrNotFound   = fault.New(fault.NotFound, "image_not_found", "there is no such image")
	ErrNoProduct  = fault.New(fault.NotFound, "product_not_found", "there is no such product")
	ErrTooMany    = fault.New(fault.Conflict, "too_many_images", "a product has at most 20 images")
	ErrNoFile     = fault.ErrInvalid.With("file", "is missing: send it as a part with a file name")
	ErrAlt        = fault.ErrInvalid.With("alt", "must be a string of at most 500 characters on one line")
	ErrNotAnImage = fault.New(fault.Unsupported, "not_an_image", "the file is not a JPEG, PNG or WebP that can be read")
	ErrTooLarge   = fault.New(fault.TooLarge, "image_too_large",
		"an image has at most 8 MiB and 20 million pixels, a progressive JPEG in CMYK 13 million")
	ErrAnimated = fault.New(fault.Unsupported, "image_animated", "the image is animated: send a still one")
	ErrCMYK     = fault.New(fault.Unsupported, "image_cmyk",
		"the JPEG is in CMYK and does not say how its inks are stored (Adobe's marker is missing): save it as RGB")
	ErrColors = fault.New(fault.Unsupported, "image_color_profile",
		"the image's color profile cannot be read or does not fit its pixels: save it as sRGB")
	ErrBusy = fault.New(fault.Unavailable, "images_busy", "too many images are being processed").WithRetryAfter(5)
)

// reordered moves an id to a position, from 1.
func reordered(ids []int64, id int64, position int) []int64 {
	order := slices.DeleteFunc(slices.Clone(ids), func(other int64) bool { return other == id })
	return slices.Insert(order, min(position-1, len(order)), id)
}
