package web

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Handler does the work of a route: it turns a caller and an input into an output. It does not depend on HTTP.
type Handler[In, Out any] func(ctx context.Context, caller shop.Caller, in In) (Out, error)

// None is the input of a route without input, or the output of one that responds with 204.
type None struct{}

// operation is what is declared of a route.
type operation struct {
	method, path, fiberPath string // path is written /orders/{id}
	need                    shop.Permission
	status                  int
	in                      *inputPlan
	out                     reflect.Type
	faults                  []*fault.Error
	internal, form, noStore bool
	optionalBody            bool
	id, tag                 string // operationId and tag
	summary, description    string
	timeout                 time.Duration
	bodyLimit               int
	produces                []string     // media types of a Content
	parts                   reflect.Type // of a multipart form
	unhealthy               bool         // 503 has the body of 200
	deferTo                 []string     // Fiber paths of later routes that come first
	cursorKey               []byte
}

// Option refines a route.
type Option func(*operation)

// Status is the status of success. Default 200, or 204 if the output is None.
func Status(status int) Option { return func(op *operation) { op.status = status } }

// Created is Status(201).
func Created(op *operation) { op.status = http.StatusCreated }

// Internal marks a route for other services and sidecars: it is not in the document.
func Internal(op *operation) { op.internal = true }

// Form accepts a form as body too, in either encoding, with the field names of the JSON.
func Form(op *operation) { op.form = true }

// OptionalBody accepts a request without a body, as if all its fields were omitted.
func OptionalBody(op *operation) { op.optionalBody = true }

// NoStore forbids caches to store the response. Personal data needs it.
func NoStore(op *operation) { op.noStore = true }

// Fails documents the faults of the route's own.
func Fails(faults ...*fault.Error) Option {
	return func(op *operation) { op.faults = append(op.faults, faults...) }
}

// Doc names a public route in the API's document: an operationID that no other operation has, one of shop.Tags and an
// imperative summary. Every public route needs it.
func Doc(operationID, tag, summary string) Option {
	return func(op *operation) { op.id, op.tag, op.summary = operationID, tag, summary }
}

// Describe adds the rules of the route to its document, as Markdown.
func Describe(text string) Option { return func(op *operation) { op.description = text } }

// Timeout bounds the work on one request, instead of the app's Timeout. Reading the body and writing the response may
// take as long each.
func Timeout(d time.Duration) Option { return func(op *operation) { op.timeout = d } }

// BodyLimit is the maximum size of a body in bytes, instead of the app's. The app needs Streaming.
func BodyLimit(bytes int) Option { return func(op *operation) { op.bodyLimit = bytes } }

// Produces documents the media types of a Content or a Stream.
func Produces(mediaTypes ...string) Option { return func(op *operation) { op.produces = mediaTypes } }

// Parts describes the parts of a multipart form that the route takes as a Body, as the fields of T.
func Parts[T any]() Option { return func(op *operation) { op.parts = reflect.TypeFor[T]() } }

// DocumentHealth documents a health check that the app serves without Handle, like "/health". It responds with 200 or
// 503 and the same type of body.
func DocumentHealth[Out any](app *App, path string, options ...Option) {
	op := newOperation[None, Out](app, "GET "+path, shop.Anyone, options)
	op.unhealthy = true
	app.declare(op)
}

func newOperation[In, Out any](app *App, route string, need shop.Permission, options []Option) *operation {
	method, path, _ := strings.Cut(route, " ")
	op := &operation{
		method: method, path: path, fiberPath: pathParam.ReplaceAllString(path, ":$1"), need: need,
		in: planInput(route, reflect.TypeFor[In]()), out: reflect.TypeFor[Out](), status: http.StatusOK,
		timeout: app.cfg.Timeout, bodyLimit: app.cfg.BodyLimit, cursorKey: app.cfg.CursorKey,
	}
	if op.out == reflect.TypeFor[None]() {
		op.status = http.StatusNoContent
	}
	for _, refine := range options {
		refine(op)
	}
	return op
}

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

// Handle adds a route, written "POST /orders/{id}/cancel". The fields of the input come from the path, the query,
// headers and the JSON body (tags path, query, header and json). They are decoded strictly and validated (tag validate)
// before h is called, and a refusal names all invalid fields. An input with an idempotency.Key takes the header
// Idempotency-Key. Handle panics on an input that cannot be decoded and on a Doc that is not unique. A GET route
// responds to HEAD, too.
func Handle[In, Out any](app *App, route string, need shop.Permission, h Handler[In, Out], options ...Option) {
	op := newOperation[In, Out](app, route, need, options)
	app.declare(op)
	for _, method := range op.methods() {
		app.Add(method, op.fiberPath, func(c *fiber.Ctx) error {
			if op.deferred(c) {
				return c.Next()
			}
			return serve(c, app, op, h)
		})
	}
}

// methods are the methods of requests to the operation: HEAD is GET without a body.
func (op *operation) methods() []string {
	if op.method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{op.method}
}

func serve[In, Out any](c *fiber.Ctx, app *App, op *operation, h Handler[In, Out]) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), op.timeout)
	defer cancel()
	if op.timeout > app.cfg.Timeout {
		if err := extendDeadlines(c, op.timeout); err != nil {
			return err
		}
	}
	caller, err := app.caller(ctx, c, op.need)
	if err != nil {
		return err
	}
	var in In
	if err := op.in.decode(c, caller, reflect.ValueOf(&in).Elem(), op); err != nil {
		return err
	}
	if op.noStore {
		c.Set(fiber.HeaderCacheControl, "no-store")
	}
	if op.out == reflect.TypeFor[Stream]() && c.Method() == http.MethodHead {
		c.Set(fiber.HeaderContentType, strings.Join(op.produces, ", ")) // nothing to stream
		return nil
	}
	out, err := h(ctx, caller, in)
	if err != nil {
		return err
	}
	return respond(c, app, op, out)
}

func respond(c *fiber.Ctx, app *App, op *operation, out any) error {
	if content, ok := out.(Content); ok {
		for name, value := range content.Header { // of a 304, too
			c.Set(name, value)
		}
	}
	if notModified(c, out) {
		return c.SendStatus(http.StatusNotModified)
	}
	c.Status(op.status)
	switch out := out.(type) {
	case None:
		return nil
	case Content:
		return app.send(c, out, op)
	case Stream:
		return startStream(c, out)
	}
	return c.JSON(out)
}

// extendDeadlines gives the request and the response more time than the server does.
func extendDeadlines(c *fiber.Ctx, timeout time.Duration) error {
	until := time.Now().Add(timeout)
	if err := c.Context().SetReadDeadline(until); err != nil {
		return err
	}
	return c.Context().SetWriteDeadline(until.Add(timeout))
}

var (
	errNoToken   = fault.New(fault.Unauthenticated, "token_missing", "sign in first: this requires a bearer token")
	errForbidden = fault.New(fault.Forbidden, "forbidden", "your role does not allow this")
)

// caller authenticates the caller, if the route needs one. It fails if the caller lacks the permission.
func (app *App) caller(ctx context.Context, c *fiber.Ctx, need shop.Permission) (shop.Caller, error) {
	if need == shop.Anyone {
		return shop.Caller{}, nil
	}
	token, err := BearerToken(c)
	if err != nil {
		return shop.Caller{}, err
	}
	if app.cfg.Verify == nil {
		return shop.Caller{}, errors.New("web: the route needs a caller, but Config.Verify is nil")
	}
	caller, err := app.cfg.Verify(ctx, token)
	if err != nil {
		return shop.Caller{}, err
	}
	if !caller.May(need) {
		return shop.Caller{}, errForbidden
	}
	return caller, nil
}

// BearerToken is the token of the Authorization header. It fails as Unauthenticated unless there is exactly one.
func BearerToken(c *fiber.Ctx) (string, error) {
	headers := c.Request().Header.PeekAll(fiber.HeaderAuthorization)
	if len(headers) != 1 {
		return "", errNoToken
	}
	scheme, token, _ := strings.Cut(string(headers[0]), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errNoToken
	}
	return token, nil
}
