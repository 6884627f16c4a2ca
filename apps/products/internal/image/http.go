package image

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sidecart/kit/fault"
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

// readForm reads a form of one file, whatever its part is called, and a part named alt, which may be left out. It fails
// with ErrNoFile, ErrAlt, ErrTooLarge or fault.ErrInvalid.
func readForm(form web.Body) (file []byte, alt string, err error) {
	parts, seen := multipart.NewReader(form, form.Params["boundary"]), map[string]bool{}
	for {
		part, err := parts.NextPart()
		if err == io.EOF { //nolint:errorlint // a wrapped one means that the form is broken
			break
		}
		if err != nil {
			return nil, "", malformed(err)
		}
		content, err := io.ReadAll(part)
		name := part.FormName()
		switch {
		case err != nil:
			return nil, "", malformed(err)
		case part.FileName() == "" && name != "alt":
			return nil, "", fault.ErrInvalid.With(name, "is not a known field")
		case seen[name], part.FileName() != "" && file != nil:
			return nil, "", fault.ErrInvalid.With(name, "is given twice")
		case part.FileName() != "":
			file = content
		default:
			alt = string(content)
		}
		seen[name] = true
	}
	switch {
	case len(file) == 0:
		return nil, "", ErrNoFile
	case !utf8.ValidString(alt):
		return nil, "", fault.ErrMalformed.WithMessage("the form is not UTF-8")
	case utf8.RuneCountInString(alt) > 500, strings.ContainsFunc(alt, unicode.IsControl), alt != "" && shop.IsBlank(alt):
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
