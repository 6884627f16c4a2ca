// Package fault defines the error type that crosses boundaries: from a method to its handler, from a service to its
// caller, and from the platform to a client as application/problem+json (RFC 9457).
package fault

import (
	"errors"
	"maps"
	"net/http"
	"strconv"
)

// Kind classifies a fault. HTTP status, retries and logging follow from it.
type Kind string

// The kinds, from errors of the caller to errors of the platform.
const (
	Malformed          Kind = "malformed"         // 400: cannot be decoded
	Invalid            Kind = "invalid"           // 422: the named fields are invalid
	Unauthenticated    Kind = "unauthenticated"   // 401: no valid token
	Forbidden          Kind = "forbidden"         // 403: the caller lacks the permission
	NotFound           Kind = "not_found"         // 404: does not exist, or belongs to another user
	NotAllowed         Kind = "not_allowed"       // 405: the path has other methods
	Conflict           Kind = "conflict"          // 409: not possible in the present state
	PreconditionFailed Kind = "stale"             // 412: changed since the client read it
	TooLarge           Kind = "too_large"         // 413
	Unsupported        Kind = "unsupported_media" // 415
	Misdirected        Kind = "misdirected"       // 421: not a host of this server
	Locked             Kind = "locked"            // 423: try later
	Limited            Kind = "limited"           // 429: try later
	Unavailable        Kind = "unavailable"       // 503: a dependency is unavailable
	TimedOut           Kind = "timed_out"         // 504: a dependency is too slow
	Internal           Kind = "internal"          // 500: a bug; the client sees no details
)

var statuses = map[Kind]int{
	Malformed: 400, Unauthenticated: 401, Forbidden: 403, NotFound: 404, NotAllowed: 405, Conflict: 409, PreconditionFailed: 412,
	TooLarge: 413, Unsupported: 415, Misdirected: 421, Invalid: 422, Locked: 423, Limited: 429, Internal: 500,
	Unavailable: 503, TimedOut: 504,
}

// Status returns the HTTP status of a kind.
func (k Kind) Status() int { return statuses[k] }

// Retryable reports whether the same call may succeed later, so that an event is delivered again.
func (k Kind) Retryable() bool {
	return k == Locked || k == Limited || k == Unavailable || k == TimedOut || k == Internal
}

// OfStatus returns the kind of an upstream's HTTP status; Internal for one without a kind.
func OfStatus(status int) Kind {
	for kind, s := range statuses {
		if s == status {
			return kind
		}
	}
	return Internal
}

// Error is a fault. Code is stable and for programs, Message is for people, Fields has a message for each invalid
// field.
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

// Error returns code, message and cause, for the log.
func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.Message + ": " + e.cause.Error()
	}
	return e.Code + ": " + e.Message
}

// Unwrap returns the cause given to Wrap.
func (e *Error) Unwrap() error { return e.cause }

// Is compares codes, so that a fault of another service equals its declaration.
func (e *Error) Is(target error) bool {
	var other *Error
	return errors.As(target, &other) && other.Code == e.Code
}

// With returns the fault with one more invalid field.
func (e *Error) With(field, message string) *Error {
	f := *e
	f.Fields = maps.Clone(e.Fields)
	if f.Fields == nil {
		f.Fields = map[string]string{}
	}
	f.Fields[field] = message
	return &f
}

// Wrap returns the fault with its cause, which is logged and never shown to clients.
func (e *Error) Wrap(cause error) *Error {
	f := *e
	f.cause = cause
	return &f
}

// WithMessage returns the fault with another message.
func (e *Error) WithMessage(message string) *Error {
	f := *e
	f.Message = message
	return &f
}

// WithRetryAfter returns the fault with a Retry-After in seconds, at least 1.
func (e *Error) WithRetryAfter(seconds int) *Error {
	f := *e
	f.RetryAfter = max(1, seconds)
	return &f
}

// WithRetryAfterHeader returns the fault with the Retry-After header of another response, if that is a number of
// seconds.
func (e *Error) WithRetryAfterHeader(retryAfter string) *Error {
	if seconds, err := strconv.Atoi(retryAfter); err == nil && seconds >= 0 {
		return e.WithRetryAfter(seconds)
	}
	return e
}

// Faults that no domain package owns.
var (
	ErrInternal    = New(Internal, "internal", "something went wrong on our side")
	ErrUnavailable = New(Unavailable, "unavailable", "a part of the platform is unavailable")
	ErrTimedOut    = New(TimedOut, "timed_out", "the request timed out")
	ErrMalformed   = New(Malformed, "malformed", "the request cannot be decoded")
	ErrInvalid     = New(Invalid, "invalid", "some fields are invalid")
)

// Of returns the fault in an error. An error without one becomes the cause of ErrInternal; nil gives nil.
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

// Problem is the body of an error response (RFC 9457).
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

// Problem returns the fault's response body.
func (e *Error) Problem(traceID string) Problem {
	status := e.Kind.Status()
	return Problem{
		Type: "urn:sidecart:fault:" + e.Code, Title: http.StatusText(status), Status: status,
		Detail: e.Message, Code: e.Code, Errors: e.Fields, TraceID: traceID,
	}
}

// Fault returns the fault of another service's response: a Problem and its header Retry-After, which may be empty.
func (p Problem) Fault(retryAfter string) *Error {
	f := &Error{Kind: OfStatus(p.Status), Code: p.Code, Message: p.Detail, Fields: p.Errors}
	return f.WithRetryAfterHeader(retryAfter)
}
