package image

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"time"
	"unicode"

	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of images.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /products/{id}/images", shop.ManageCatalogue, s.handleAdd, web.Created,
		web.BodyLimit(maxFileBytes+64<<10), web.Timeout(time.Minute),
		web.Fails(ErrNoProduct, ErrNotAnImage, ErrAnimated, ErrCMYK, ErrColors, ErrTooLarge, ErrTooMany, ErrBusy),
		web.Parts[newImage](),
		web.Doc("addProductImage", "products", "Add a product image"),
		web.Describe("multipart/form-data with a part that holds the file, and optionally a part named alt. A JPEG, PNG or "+
			"WebP, not animated. It is stored upright (EXIF), in sRGB and without metadata."))
	web.Handle(app, "GET /products/{id}/images/{image_id}", shop.Anyone, s.handleGet, web.Fails(ErrNotFound),
		web.Produces("image/jpeg", "image/png"),
		web.Doc("getProductImage", "products", "Get a product image"), web.Describe("Or its thumbnail."))
	web.Handle(app, "PATCH /products/{id}/images/{image_id}", shop.ManageCatalogue, s.handleUpdate,
		web.Fails(ErrNoProduct, ErrNotFound),
		web.Doc("updateProductImage", "products", "Update a product image"),
		web.Describe("Changes the alternative text or the position."))
	web.Handle(app, "DELETE /products/{id}/images/{image_id}", shop.ManageCatalogue, s.handleDelete,
		web.Fails(ErrNoProduct, ErrNotFound),
		web.Doc("deleteProductImage", "products", "Delete a product image"))
}

type addInput struct {
	idempotency.Key
	ID   int64    `path:"id" validate:"min=1"`
	Form web.Body `body:"multipart/form-data"`
}

// newImage is the form of an image to add. The part with the file may have any name.
type newImage struct {
	File []byte `json:"file" validate:"required"`
	Alt  string `json:"alt" validate:"max=500"`
}

func (s *Service) handleAdd(ctx context.Context, _ shop.Caller, in addInput) (Image, error) {
	file, alt, err := readForm(in.Form)
	if err != nil {
		return Image{}, err
	}
	return s.Add(ctx, in.Key, in.ID, alt, file)
}

// readForm reads the first file of a form, whatever its part is called, and the part named alt. It fails with
// ErrNoFile, ErrAlt or ErrTooLarge.
func readForm(form web.Body) (file []byte, alt string, err error) {
	parts := multipart.NewReader(form, form.Params["boundary"])
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", malformed(err)
		}
		content, err := io.ReadAll(part)
		switch {
		case err != nil:
			return nil, "", malformed(err)
		case part.FileName() != "" && file == nil:
			file = content
		case part.FormName() == "alt":
			alt = string(content)
		}
	}
	invalid := func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }
	switch {
	case len(file) == 0:
		return nil, "", ErrNoFile
	case len([]rune(alt)) > 500 || strings.ContainsFunc(alt, invalid):
		return nil, "", ErrAlt
	}
	return file, alt, nil
}

func malformed(err error) error {
	if errors.Is(err, web.ErrTooLarge) {
		return ErrTooLarge
	}
	return ErrNoFile.Wrap(err)
}

type getInput struct {
	ID      int64  `path:"id" validate:"min=1"`
	ImageID int64  `path:"image_id" validate:"min=1"`
	Size    string `query:"size" default:"full" validate:"oneof=full thumbnail" doc:"The whole image, or a small one."`
}

func (s *Service) handleGet(ctx context.Context, _ shop.Caller, in getInput) (web.Content, error) {
	p, err := s.Get(ctx, in.ID, in.ImageID, in.Size == "thumbnail")
	// The content of an image never changes.
	immutable := map[string]string{"Cache-Control": "public, max-age=31536000, immutable"}
	return web.Content{MediaType: p.MediaType, Bytes: p.Bytes, Tag: p.Tag, Header: immutable}, err
}

type updateInput struct {
	ID      int64 `path:"id" validate:"min=1"`
	ImageID int64 `path:"image_id" validate:"min=1"`
	ImageUpdate
}

func (s *Service) handleUpdate(ctx context.Context, _ shop.Caller, in updateInput) (Image, error) {
	return s.Update(ctx, in.ID, in.ImageID, in.ImageUpdate)
}

type imageInput struct {
	ID      int64 `path:"id" validate:"min=1"`
	ImageID int64 `path:"image_id" validate:"min=1"`
}

func (s *Service) handleDelete(ctx context.Context, _ shop.Caller, in imageInput) (web.None, error) {
	return web.None{}, s.Delete(ctx, in.ID, in.ImageID)
}
