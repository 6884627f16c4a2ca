package web

import (
	"bytes"
	"io"
	"iter"
	"mime"
	"mime/multipart"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/fault"
)

// RefuseBody is a handler for routes that Handle does not serve: it refuses a GET or HEAD with a body, as a route
// without a body does, and otherwise calls the next handler.
func RefuseBody(c *fiber.Ctx) error {
	if c.Method() == http.MethodGet || c.Method() == http.MethodHead {
		if err := CheckNoBody(c, unreadBodyLimit); err != nil {
			return err
		}
	}
	return c.Next()
}

const unreadBodyLimit = 64 << 10

// CheckNoBody fails if a request has a body, for a route that reads none: with ErrInvalid naming each field, with
// ErrMalformed if it is not JSON, or with ErrTooLarge over the limit in bytes. An empty JSON object has no fields.
func CheckNoBody(c *fiber.Ctx, limit int) error {
	if length := c.Request().Header.ContentLength(); length == 0 || length == -2 { // -2: none is announced
		return nil
	}
	bad := fields{}
	nothing := reflect.ValueOf(&None{}).Elem()
	if err := decodeBody(c, nothing, &operation{in: &inputPlan{}, bodyLimit: limit}, bad, map[string]bool{}); err != nil {
		return err
	}
	return validated(nothing, bad, nil)
}

// decodeBody reads a JSON body, or a form if the route takes one. Invalid fields go into bad, and the paths of fields
// that the body names into present. On a route without a body, each field is unknown.
func decodeBody(c *fiber.Ctx, in reflect.Value, op *operation, bad fields, present map[string]bool) error {
	mediaType, params, _ := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	body, err := readBody(c, op.bodyLimit)
	form := op.form || !op.in.body
	switch {
	case err != nil:
		return err
	case len(body) == 0 && (op.optionalBody || !op.in.body):
		return nil
	case len(body) > 0 && !isPlainUTF8(c, params):
		return errUnsupported.WithMessage("send the body in UTF-8 and without a Content-Encoding")
	case mediaType == fiber.MIMEApplicationForm && form:
		return decodeForm(pairs(c.Request().PostArgs().All()), in, bad, present)
	case mediaType == fiber.MIMEMultipartForm && form:
		return decodeForm(parts(body, params["boundary"]), in, bad, present)
	case !op.in.body && c.Get(fiber.HeaderContentType) == "":
		// what no one reads needs no type: an empty object is nothing
	case mediaType != fiber.MIMEApplicationJSON && len(body) > 0:
		return errUnsupported
	}
	return Decode(body, in, bad, present)
}

// isPlainUTF8 reports whether a request's headers say that its text is in UTF-8 and not compressed.
func isPlainUTF8(c *fiber.Ctx, params map[string]string) bool {
	coding, charset := c.Get(fiber.HeaderContentEncoding), strings.ToLower(params["charset"])
	return (coding == "" || strings.EqualFold(coding, "identity")) &&
		(charset == "" || charset == "utf-8" || charset == "utf8" || charset == "us-ascii")
}

type pair struct{ name, value []byte }

func pairs(args iter.Seq2[[]byte, []byte]) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		for name, value := range args {
			if !yield(pair{name, value}, nil) {
				return
			}
		}
	}
}

var errForm = fault.ErrMalformed.WithMessage("the body is not a form")

// parts are the fields of a multipart form. A file is a field that no input has.
func parts(body []byte, boundary string) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		form := multipart.NewReader(bytes.NewReader(body), boundary)
		if !bytes.Contains(body, []byte("--"+boundary+"--")) {
			yield(pair{}, errForm.WithMessage("the form is cut off"))
			return
		}
		for {
			part, err := form.NextPart()
			if err == io.EOF { //nolint:errorlint // a wrapped one means that the form is broken
				return
			}
			var field pair
			if err == nil {
				field.name = []byte(part.FormName())
				field.value, err = io.ReadAll(part)
			}
			if err != nil || len(field.name) == 0 {
				yield(pair{}, errForm.Wrap(err))
				return
			}
			if part.FileName() != "" {
				field = pair{name: append(field.name, " (a file)"...)}
			}
			if !yield(field, nil) {
				return
			}
		}
	}
}

// decodeForm fails with ErrMalformed if the form cannot be parsed or is not in UTF-8.
func decodeForm(form iter.Seq2[pair, error], in reflect.Value, bad fields, present map[string]bool) error {
	known, seen := fieldIndexes(in.Type()), map[string]bool{}
	for field, err := range form {
		if err != nil {
			return err
		}
		name := string(field.name)
		index, ok := known[name]
		switch {
		case !utf8.ValidString(name) || !utf8.Valid(field.value):
			return fault.ErrMalformed.WithMessage("the form is not UTF-8")
		case !ok:
			bad.add(name, "is not a known field")
		case seen[name]:
			bad.add(name, "is given twice")
		default:
			present[name] = true
			if err := setText(in.FieldByIndex(index), string(field.value)); err != nil {
				bad.add(name, err.Error())
			}
		}
		seen[name] = true
	}
	return nil
}
