package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/fault"
)

// Body is an undecoded request body, for a route that does not take JSON. It is a field of an input with a tag of the
// media types that the route takes, body:"text/csv,application/x-ndjson"; others are refused with 415. Reading past the
// route's BodyLimit fails with ErrTooLarge. With Config.Streaming, it is read from the connection as the handler reads.
type Body struct {
	io.Reader
	MediaType string            // one of the tag's
	Params    map[string]string // of the media type: boundary, charset
}

// Content is a response that is not JSON. If Write is set, the body is written while it is sent, in a context that ends
// with the route's timeout. If Write fails, the connection is closed, so that the client notices the missing rest.
type Content struct {
	MediaType string
	Bytes     []byte
	Write     func(ctx context.Context, w io.Writer) error
	Header    map[string]string // further headers, like Cache-Control
	Tag       string            // the ETag, unless empty
}

// ETag is Tag.
func (content Content) ETag() string { return content.Tag }

// takeBody fails with errUnsupported, or with ErrTooLarge if the announced length is over the limit. An Idempotency-Key
// covers the whole request, so on a route that takes one the body is read completely first.
func (plan *inputPlan) takeBody(c *fiber.Ctx, limit int) (Body, error) {
	mediaType, params, _ := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	if !slices.Contains(plan.takes, mediaType) {
		return Body{}, errUnsupported.WithMessage("send the body as " + strings.Join(plan.takes, " or "))
	}
	if c.Request().Header.ContentLength() > limit {
		return Body{}, ErrTooLarge
	}
	if plan.key != nil {
		if _, err := readBody(c, limit); err != nil {
			return Body{}, err
		}
	}
	return Body{Reader: &limitedReader{bodyReader(c), limit}, MediaType: mediaType, Params: params}, nil
}

func bodyReader(c *fiber.Ctx) io.Reader {
	if stream := c.Context().RequestBodyStream(); stream != nil {
		return stream
	}
	return bytes.NewReader(c.Request().Body())
}

var errBodyUnsent = fault.ErrMalformed.WithMessage("the body did not arrive as announced")

// limitedReader fails with ErrTooLarge at the first byte over the limit.
type limitedReader struct {
	source    io.Reader
	remaining int
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if len(p) > l.remaining+1 {
		p = p[:l.remaining+1] // one byte more: a body of exactly the limit is allowed
	}
	n, err := l.source.Read(p)
	if l.remaining -= n; l.remaining < 0 {
		return 0, ErrTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = errBodyUnsent.Wrap(err)
	}
	return n, err
}

// readBody reads a complete body of at most limit bytes and stores it in the request.
func readBody(c *fiber.Ctx, limit int) ([]byte, error) {
	if c.Context().RequestBodyStream() == nil {
		return c.Request().Body(), nil // as it was sent; bounded by the app's own limit
	}
	if c.Request().Header.ContentLength() > limit {
		return nil, ErrTooLarge
	}
	body, err := io.ReadAll(&limitedReader{bodyReader(c), limit})
	if err != nil {
		return nil, err
	}
	c.Request().SetBodyRaw(body)
	return body, nil
}

// send responds with content. Write runs after the handler has returned, in a context of its own.
func (app *App) send(c *fiber.Ctx, content Content, op *operation) error {
	c.Set(fiber.HeaderContentType, content.MediaType)
	if content.Write == nil {
		return c.Send(content.Bytes)
	}
	if c.Method() == fiber.MethodHead {
		return nil // the length is not known before all is written
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.UserContext()), op.timeout)
	from, to := io.Pipe()
	go func() {
		defer cancel()
		err := recovered(func() error { return content.Write(ctx, to) })
		if err != nil {
			slog.ErrorContext(ctx, "response aborted", "route", op.method+" "+op.path, "err", err)
		}
		to.CloseWithError(err) // nil ends the body
	}()
	c.Context().SetBodyStream(from, -1) // closes from when the client disconnects; Write then fails
	return nil
}

// recovered calls fn and turns a panic into an error.
func recovered(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return fn()
}
