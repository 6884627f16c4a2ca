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

// Handler is one route's work: who is asking and what they say, to an answer. It knows no HTTP.
type Handler[In, Out any] func(ctx context.Context, who shop.Caller, in In) (Out, error)

// None is the input of a route that takes nothing, or the output of one that answers 204.
type None struct{}

// operation is a route as the documents and the topology tests see it.
type operation struct {
	method, path, fiberPath string // path is written /orders/{id}
	need                    shop.Permission
	status                  int
	in                      *inputPlan
	out                     reflect.Type
	faults                  []*fault.Error
	internal, form, noStore bool
	optionalBody            bool
	id, tag                 string // of the document
	summary, description    string
	timeout                 time.Duration
	bodyLimit               int
	produces                []string     // media types of a Content
	parts                   reflect.Type // of a multipart form
	unhealthy               bool         // 503 has the body of 200
	deferTo                 []string     // Fiber paths of routes that were added later and come first
}

// Option refines a route.
type Option func(*operation)

// Status is the status of success, 200 unless told (204 where the output is None).
func Status(status int) Option { return func(op *operation) { op.status = status } }

// Created is Status(201).
func Created(op *operation) { op.status = http.StatusCreated }

// Internal marks a route for neighbours and sidecars: it is in no public document.
func Internal(op *operation) { op.internal = true }

// Form lets the body be a form too, in either encoding, with the same field names as the JSON.
func Form(op *operation) { op.form = true }

// OptionalBody lets the body be missing: every field of it then is as if it were not there.
func OptionalBody(op *operation) { op.optionalBody = true }

// NoStore forbids caches to keep the answer, as everything about a person does.
func NoStore(op *operation) { op.noStore = true }

// Fails names the faults of the route's own, for the documents.
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

// Timeout bounds the work on one request of this route, in place of the app's Timeout. Body and answer may take as long.
func Timeout(most time.Duration) Option { return func(op *operation) { op.timeout = most } }

// BodyLimit is the largest body of this route in bytes, in place of the app's, on an app with Streaming.
func BodyLimit(most int) Option { return func(op *operation) { op.bodyLimit = most } }

// Produces names the media types of a route's Content, for the documents.
func Produces(mediaTypes ...string) Option { return func(op *operation) { op.produces = mediaTypes } }

// Parts describes the parts of a multipart form that the route takes as a Body, as the fields of T.
func Parts[T any]() Option { return func(op *operation) { op.parts = reflect.TypeFor[T]() } }

// DocumentHealth adds a health check that the app serves by other means, "/health", to its document. It responds with
// 200, or 503 and the same type of body.
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
		timeout: app.cfg.Timeout, bodyLimit: app.cfg.BodyLimit,
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

// Handle adds a route, written "POST /orders/{id}/cancel". The input's fields come from the path (tag path), the query
// (tag query), headers (tag header) and the JSON body (tag json); they are decoded strictly and validated (tag
// validate) before h is called, and every bad field is named at once. An input with an idempotency.Key takes the header
// Idempotency-Key. It panics on a route that cannot be documented,
// at start, where a test sees it.
func Handle[In, Out any](app *App, route string, need shop.Permission, h Handler[In, Out], options ...Option) {
	op := newOperation[In, Out](app, route, need, options)
	empty := op.out == reflect.TypeFor[None]()
	app.declare(op)
	app.Add(op.method, op.fiberPath, func(c *fiber.Ctx) error {
		if op.deferred(c) {
			return c.Next()
		}
		ctx, cancel := context.WithTimeout(c.UserContext(), op.timeout)
		defer cancel()
		if op.timeout > app.cfg.Timeout {
			if err := extendDeadlines(c, op.timeout); err != nil {
				return err
			}
		}
		who, err := app.caller(ctx, c, need)
		if err != nil {
			return err
		}
		var in In
		if err := op.in.decode(c, who, reflect.ValueOf(&in).Elem(), op); err != nil {
			return err
		}
		if op.noStore {
			c.Set(fiber.HeaderCacheControl, "no-store")
		}
		out, err := h(ctx, who, in)
		if err != nil {
			return err
		}
		if notModified(c, out) {
			return c.SendStatus(http.StatusNotModified)
		}
		c.Status(op.status)
		if empty {
			return nil
		}
		switch answer := any(out).(type) {
		case Content:
			return app.send(c, answer, op)
		case Stream:
			return startStream(c, answer)
		}
		return c.JSON(out)
	})
}

// extendDeadlines lets a request's body come in and its answer go out for longer than the server gives them.
func extendDeadlines(c *fiber.Ctx, most time.Duration) error {
	until := time.Now().Add(most)
	if err := c.Context().SetReadDeadline(until); err != nil {
		return err
	}
	return c.Context().SetWriteDeadline(until.Add(most))
}

var (
	errNoToken   = fault.New(fault.Unauthenticated, "token_missing", "sign in first: this needs a bearer token")
	errForbidden = fault.New(fault.Forbidden, "forbidden", "your role does not allow this")
)

// caller is who asks, if the route wants to know. It fails if they may not.
func (app *App) caller(ctx context.Context, c *fiber.Ctx, need shop.Permission) (shop.Caller, error) {
	if need == shop.Anyone {
		return shop.Caller{}, nil
	}
	token, err := BearerToken(c)
	if err != nil {
		return shop.Caller{}, err
	}
	if app.cfg.Verify == nil {
		return shop.Caller{}, errors.New("web: a route needs a caller and the app has no Verify")
	}
	who, err := app.cfg.Verify(ctx, token)
	if err != nil {
		return shop.Caller{}, err
	}
	if !who.May(need) {
		return shop.Caller{}, errForbidden
	}
	return who, nil
}

// BearerToken is the token of the one Authorization header. It fails as unauthenticated without one, or with several.
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
