// Package fault is the one error that crosses a boundary: from a method to its handler, from a service to its
// caller, and from the platform to a client as RFC 9457 application/problem+json.
package fault

import (
	"errors"
	"maps"
	"net/http"
	"strconv"
)

// Kind says what went wrong in general; everything else follows from it (HTTP status, retry, logging).
type Kind string

// The kinds, from "the caller is wrong" to "we are wrong".
const (
	Malformed          Kind = "malformed"         // 400: not even readable
	Invalid            Kind = "invalid"           // 422: readable, and wrong in the named fields
	Unauthenticated    Kind = "unauthenticated"   // 401: nobody known is asking
	Forbidden          Kind = "forbidden"         // 403: somebody known may not
	NotFound           Kind = "not_found"         // 404: not there, or not yours
	NotAllowed         Kind = "not_allowed"       // 405: there, but not with this method
	Conflict           Kind = "conflict"          // 409: not in the present state
	PreconditionFailed Kind = "stale"             // 412: changed since you read it
	TooLarge           Kind = "too_large"         // 413
	Unsupported        Kind = "unsupported_media" // 415
	Misdirected        Kind = "misdirected"       // 421: a host this server does not answer for
	Locked             Kind = "locked"            // 423: try later
	Limited            Kind = "limited"           // 429: try later
	Unavailable        Kind = "unavailable"       // 503: a part we need is down
	TimedOut           Kind = "timed_out"         // 504: a part we need is too slow
	Internal           Kind = "internal"          // 500: a bug; the client learns nothing of it
)

var statuses = map[Kind]int{
	Malformed: 400, Unauthenticated: 401, Forbidden: 403, NotFound: 404, NotAllowed: 405, Conflict: 409, PreconditionFailed: 412,
	TooLarge: 413, Unsupported: 415, Misdirected: 421, Invalid: 422, Locked: 423, Limited: 429, Internal: 500,
	Unavailable: 503, TimedOut: 504,
}

// Status is the HTTP status of a kind.
func (k Kind) Status() int { return statuses[k] }

// Retryable says whether the same call may succeed later, so that an event handler asks for redelivery.
func (k Kind) Retryable() bool {
	return k == Locked || k == Limited || k == Unavailable || k == TimedOut || k == Internal
}

// OfStatus is the kind that an HTTP status of a neighbour stands for. Statuses nobody names are Internal.
func OfStatus(status int) Kind {
	for kind, s := range statuses {
		if s == status {
			return kind
		}
	}
	return Internal
}

// Error is a fault. Code is stable and for programs, Message is for people, Fields names each bad field.
type Error struct {
	Kind    Kind
	Code    string
	Message string
	Fields  map[string]string
	// RetryAfter is in whole seconds; 0 leaves the header out.
	RetryAfter int
	cause      error
}

// New declares a fault. Faults are declared once, at the top of a domain file.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// Error is the message and, for the log, what caused it.
func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.Message + ": " + e.cause.Error()
	}
	return e.Code + ": " + e.Message
}

// Unwrap is the cause given to Because.
func (e *Error) Unwrap() error { return e.cause }

// Is compares codes, so that a fault of another service is still itself here.
func (e *Error) Is(target error) bool {
	var other *Error
	return errors.As(target, &other) && other.Code == e.Code
}

// With is the fault with one more bad field.
func (e *Error) With(field, message string) *Error {
	f := *e
	f.Fields = maps.Clone(e.Fields)
	if f.Fields == nil {
		f.Fields = map[string]string{}
	}
	f.Fields[field] = message
	return &f
}

// Wrap is the fault with its cause, which is logged and never shown.
func (e *Error) Wrap(cause error) *Error {
	f := *e
	f.cause = cause
	return &f
}

// WithMessage is the fault with a message for this one case.
func (e *Error) WithMessage(message string) *Error {
	f := *e
	f.Message = message
	return &f
}

// WithRetryAfter is the fault with a Retry-After in seconds, at least 1.
func (e *Error) WithRetryAfter(seconds int) *Error {
	f := *e
	f.RetryAfter = max(1, seconds)
	return &f
}

// WithRetryAfterHeader is the fault with the Retry-After of another response. A header without a number of seconds changes
// nothing.
func (e *Error) WithRetryAfterHeader(retryAfter string) *Error {
	if seconds, err := strconv.Atoi(retryAfter); err == nil && seconds >= 0 {
		return e.WithRetryAfter(seconds)
	}
	return e
}

// The faults that no noun owns.
var (
	ErrInternal    = New(Internal, "internal", "something went wrong on our side")
	ErrUnavailable = New(Unavailable, "unavailable", "a part of the platform is not available")
	ErrTimedOut    = New(TimedOut, "timed_out", "the answer did not come in time")
	ErrMalformed   = New(Malformed, "malformed", "the request could not be read")
	ErrInvalid     = New(Invalid, "invalid", "some fields are not acceptable")
)

// Of is the fault in an error. An error without one is ErrInternal with it as the cause; nil gives nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	return ErrInternal.Wrap(err)
}

// Problem is the body of an error response (RFC 9457) with the members api clients rely on.
type Problem struct {
	Type    string            `json:"type"`
	Title   string            `json:"title"`
	Status  int               `json:"status"`
	Detail  string            `json:"detail"`
	Code    string            `json:"code"`
	Errors  map[string]string `json:"errors,omitempty"`
	TraceID string            `json:"trace_id,omitempty"`
}

// ContentType is the media type of a Problem.
const ContentType = "application/problem+json"

// Problem is what a client is told of the fault.
func (e *Error) Problem(traceID string) Problem {
	status := e.Kind.Status()
	return Problem{
		Type: "urn:sidecart:fault:" + e.Code, Title: http.StatusText(status), Status: status,
		Detail: e.Message, Code: e.Code, Errors: e.Fields, TraceID: traceID,
	}
}

// Fault is the fault that another service answered with: a Problem and its header Retry-After, which may be empty.
func (p Problem) Fault(retryAfter string) *Error {
	f := &Error{Kind: OfStatus(p.Status), Code: p.Code, Message: p.Detail, Fields: p.Errors}
	return f.WithRetryAfterHeader(retryAfter)
}
