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

// errFlooded is the response of a sidecar's flood limit.
var errFlooded = fault.New(fault.Limited, "rate_limited", "too many requests; try again later").WithRetryAfter(1)

// refused is an error of the request, not of the service.
type refused struct{ error }

// upstreamError returns err for the circuit breaker, or nil for an error that the request caused: otherwise any client
// could open the breaker for all.
func upstreamError(err error) error {
	if byRequest := new(refused); errors.As(err, byRequest) {
		return nil
	}
	return err
}

// fromSidecar reports whether a response is a sidecar's own: services send errors only as problem+json, and set
// sidecar.SignatureHeader on all responses.
func fromSidecar(status int, contentType, signature []byte) bool {
	return len(signature) == 0 || status >= fiber.StatusBadRequest && !bytes.HasPrefix(contentType, problemType)
}

// bodyStart returns the first 4 KiB of a response's body and drops the rest.
func bodyStart(res *fasthttp.Response) []byte {
	stream := res.BodyStream()
	if stream == nil {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(stream, 4<<10)) // for the log, as much as there is
	_ = res.CloseBodyStream()
	return text
}

// sidecarFault returns the fault of a sidecar's own error response. Its text, which has addresses, is only logged.
func sidecarFault(status int, retryAfter string, text []byte) error {
	cause := fmt.Errorf("the sidecar responds %d: %.300s", status, text)
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
