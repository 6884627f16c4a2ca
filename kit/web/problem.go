package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/fault"
	"sidecart/kit/postgres"
	"sidecart/kit/telemetry"
)

// respondError turns every error into a response.
func respondError(c *fiber.Ctx, err error) error {
	f := faultOf(err)
	if f.Kind == fault.Internal || f.Kind == fault.Unavailable || f.Kind == fault.TimedOut {
		slog.ErrorContext(c.UserContext(), "request failed", "method", c.Method(), "path", c.Path(), "code", f.Code, "err", err)
	}
	if f.Kind == fault.Unauthenticated {
		c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
	}
	if f.RetryAfter > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(f.RetryAfter))
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	body, err := json.Marshal(f.Problem(telemetry.TraceID(c.UserContext())))
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, fault.ContentType)
	return c.Status(f.Kind.Status()).Send(body)
}

func faultOf(err error) *fault.Error {
	var known *fault.Error
	var fibers *fiber.Error
	var connection net.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded):
		return fault.ErrTimedOut.Wrap(err)
	case postgres.IsUnavailable(err):
		return fault.ErrUnavailable.WithMessage("the database is not available").WithRetryAfter(2).Wrap(err)
	case postgres.IsConflict(err):
		return fault.ErrUnavailable.WithMessage("concurrent update, retry").WithRetryAfter(1).Wrap(err)
	case errors.As(err, &fibers):
		return faultOfFiber(fibers)
	case errors.As(err, &connection):
		return fault.ErrUnavailable.Wrap(err)
	}
	return fault.Of(err)
}

// faultOfFiber is the fault of what Fiber and fasthttp refuse before a handler runs.
func faultOfFiber(err *fiber.Error) *fault.Error {
	switch err.Code {
	case fiber.StatusRequestEntityTooLarge:
		return ErrTooLarge
	case fiber.StatusNotFound:
		return errNoRoute
	case fiber.StatusMethodNotAllowed:
		return errMethod
	case fiber.StatusRequestHeaderFieldsTooLarge:
		return fault.New(fault.TooLarge, "headers_too_large", "the request's headers are too large")
	}
	if err.Code >= 500 {
		return fault.ErrInternal.Wrap(err)
	}
	return errUnreadable.Wrap(err)
}

// ErrTooLarge refuses a body over the limit of its route.
var ErrTooLarge = fault.New(fault.TooLarge, "body_too_large", "the body is too large")

// recoverPanic turns a panic into a response. Its stack is logged only.
func recoverPanic(c *fiber.Ctx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			slog.ErrorContext(c.UserContext(), "panic", "value", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fault.ErrInternal.Wrap(fmt.Errorf("panic: %v", r))
		}
	}()
	return c.Next()
}
