package forward

import (
	"bytes"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/propagation"

	"sidecart/kit/fault"
)

// forwardedHeaders are the request header fields that reach a service. It is a list of what the API knows, not of what is
// dangerous: whatever else a client sends (dapr-app-id, x-forwarded-for, x-user-id, cookies, hop-by-hop fields, and what
// the next proxy or framework invents) stays outside. Among what is missing on purpose: Accept, because an event-stream
// breaks calls between sidecars, and Content-Encoding, which is refused.
var forwardedHeaders = []string{
	fiber.HeaderAcceptLanguage, fiber.HeaderContentType, fiber.HeaderIfMatch, fiber.HeaderIfNoneMatch,
	fiber.HeaderUserAgent, "Idempotency-Key",
	"Payment-Signature", "Stripe-Signature",
}

// The sidecars read no more than 8 KiB of request line and headers, some of which they add themselves.
const maxHeader = 6 << 10

var (
	errHeader      = fault.ErrMalformed.WithMessage("a header or the query has characters that do not belong there")
	errHeaderSize  = fault.New(fault.TooLarge, "headers_too_large", "the request's headers are too large")
	errHeaderTwice = fault.ErrMalformed.WithMessage("a header that can be there once is there twice")
	errEncodedBody = fault.New(fault.Unsupported, "unsupported_media_type", "send the body as it is, without Content-Encoding")
	errBodyUnsent  = fault.ErrMalformed.WithMessage("the body did not arrive as announced")
	errLateForBody = fault.ErrTimedOut.WithMessage("the body did not arrive in time")
)

// forwardRequestHeader gives req what may pass of the client's header. It fails with a fault for what a sidecar could not
// carry: it would answer as if the service were down.
func forwardRequestHeader(c *fiber.Ctx, req *fasthttp.Request, withToken bool, client string) error {
	in := &c.Request().Header
	if encoding := in.Peek(fiber.HeaderContentEncoding); len(encoding) > 0 && !strings.EqualFold(string(encoding), "identity") {
		return errEncodedBody
	}
	method := in.Method()
	if in.IsHead() { // services know GET; the server leaves the body out
		method = []byte(fiber.MethodGet)
	}
	req.Header.SetMethodBytes(method)
	size := len(req.Header.RequestURI()) + len(client)
	for _, name := range forwardedHeaders {
		if err := forwardField(in, req, name, &size); err != nil {
			return err
		}
	}
	if withToken {
		if err := forwardField(in, req, fiber.HeaderAuthorization, &size); err != nil {
			return err
		}
	}
	if !printable(c.Context().URI().QueryString()) {
		return errHeader
	}
	if size > maxHeader {
		return errHeaderSize
	}
	req.Header.SetBytesV(fiber.HeaderXRequestID, c.Response().Header.Peek(fiber.HeaderXRequestID))
	req.Header.Set(fiber.HeaderXForwardedFor, client)
	return nil
}

func forwardField(in *fasthttp.RequestHeader, req *fasthttp.Request, name string, size *int) error {
	value := in.Peek(name)
	if len(value) == 0 {
		return nil
	}
	if !printable(value) {
		return errHeader
	}
	// User-Agent and Content-Type are single by fasthttp's parser.
	if name == "Idempotency-Key" || name == fiber.HeaderAuthorization {
		if len(in.PeekAll(name)) > 1 {
			return errHeaderTwice
		}
	}
	*size += len(name) + len(value)
	req.Header.SetBytesV(name, value)
	return nil
}

// printable says whether all of b is ASCII that shows. Sidecars carry header fields as UTF-8 text and fail on others.
func printable(b []byte) bool {
	for _, ch := range b {
		if ch < ' ' || ch > '~' {
			return false
		}
	}
	return true
}

// droppedHeaders are the response header fields that end here: hop by hop, or the gateway's own to say.
var droppedHeaders = []string{
	fiber.HeaderKeepAlive, fiber.HeaderProxyAuthenticate, "Proxy-Connection", fiber.HeaderTrailer, fiber.HeaderUpgrade,
	fiber.HeaderServer, fiber.HeaderVary, fiber.HeaderXRequestID, "Traceparent", "Tracestate",
}

// Sidecars tell of themselves in fields that begin so, among them the address of whoever asked.
var sidecarHeaders = [][]byte{[]byte("dapr-"), []byte("x-rate-limit-"), []byte("access-control-")}

// forwardResponseHeader takes what must not reach the client out of a service's answer.
func forwardResponseHeader(res *fasthttp.Response) {
	h := &res.Header
	for name := range bytes.SplitSeq(h.Peek(fiber.HeaderConnection), []byte{','}) {
		if name = bytes.TrimSpace(name); len(name) > 0 && !bytes.EqualFold(name, []byte("close")) {
			h.DelBytes(name)
		}
	}
	h.ResetConnectionClose()
	h.Del(fiber.HeaderConnection)
	for _, name := range droppedHeaders {
		h.Del(name)
	}
	var own []string
	for name := range h.All() {
		if isSidecarHeader(name) {
			own = append(own, string(name))
		}
	}
	for _, name := range own {
		h.Del(name)
	}
}

func isSidecarHeader(name []byte) bool {
	for _, prefix := range sidecarHeaders {
		if len(name) >= len(prefix) && bytes.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

// headerSnapshot is what the gateway said in a response before a service's answer took its place.
type headerSnapshot struct{ requestID, traceParent []byte }

func ownHeader(res *fasthttp.Response) headerSnapshot {
	return headerSnapshot{
		requestID:   bytes.Clone(res.Header.Peek(fiber.HeaderXRequestID)),
		traceParent: bytes.Clone(res.Header.Peek("Traceparent")),
	}
}

func (k headerSnapshot) restore(res *fasthttp.Response) {
	res.Header.SetBytesV(fiber.HeaderXRequestID, k.requestID)
	if len(k.traceParent) > 0 {
		res.Header.SetBytesV("Traceparent", k.traceParent)
	}
}

var traced propagation.TraceContext

type requestCarrier struct{ *fasthttp.RequestHeader }

func (h requestCarrier) Get(key string) string { return string(h.Peek(key)) }
func (h requestCarrier) Keys() []string        { return nil }
