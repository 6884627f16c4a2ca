package forward

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"sidecart/kit/fault"
	"sidecart/kit/sidecar"
)

var problemType = []byte(fault.ContentType)

// errFlooded is a sidecar's guard against floods.
var errFlooded = fault.New(fault.Limited, "rate_limited", "too many requests at the moment").WithRetryAfter(1)

// refused is a sidecar's own error for what it was given, not for what is behind it.
type refused struct{ error }

// upstreamError is err unless it is about the request: what a client can bring about by what it sends must not count, or
// anybody could close a service to everybody.
func upstreamError(err error) error {
	if byRequest := new(refused); errors.As(err, byRequest) {
		return nil
	}
	return err
}

// fromSidecar says whether an answer is a sidecar's own: services answer errors only as problem+json, and sign all that they
// answer (see sidecar.Signature).
func fromSidecar(status int, contentType, signature []byte) bool {
	return len(signature) == 0 || status >= fiber.StatusBadRequest && !bytes.HasPrefix(contentType, problemType)
}

// bodyStart is the first of an answer's body, as much as an error needs; the rest is given up.
func bodyStart(res *fasthttp.Response) []byte {
	stream := res.BodyStream()
	if stream == nil {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(stream, 4<<10)) // whatever there is, for the log
	_ = res.CloseBodyStream()
	return text
}

// sidecarFault is what a sidecar's own error means to a client, and when to come back if the sidecar says so. The
// sidecar's words name addresses and stay in the log.
func sidecarFault(status int, retryAfter string, text []byte) error {
	cause := fmt.Errorf("the sidecar answers %d: %.300s", status, text)
	switch {
	case status == fiber.StatusTooManyRequests:
		return errFlooded.WithRetryAfterHeader(retryAfter).Wrap(refused{cause})
	case status < fiber.StatusInternalServerError:
		return sidecar.ErrUpstream.Wrap(refused{cause})
	case bytes.Contains(text, []byte("deadline exceeded")), bytes.Contains(text, []byte("DeadlineExceeded")):
		return fault.ErrTimedOut.Wrap(cause)
	}
	return sidecar.ErrUpstream.WithRetryAfterHeader(retryAfter).Wrap(cause)
}
