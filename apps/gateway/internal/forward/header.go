package forward

import (
	"bytes"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/propagation"

	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/web"
)

// forwardedHeaders is the allow-list of request headers that reach a service. All others are dropped, such as
// dapr-app-id, X-Forwarded-For, X-User-Id, cookies and hop-by-hop headers. Accept is not on the list because
// text/event-stream breaks calls between sidecars; Content-Encoding is refused.
var forwardedHeaders = []string{
	fiber.HeaderAcceptLanguage, fiber.HeaderContentType, fiber.HeaderIfMatch, fiber.HeaderIfNoneMatch,
	fiber.HeaderUserAgent, idempotency.Header,
	"Payment-Signature", "Stripe-Signature",
}

// maxHeader is less than the 8 KiB of request line and headers that sidecars read, since they add headers.
const maxHeader = 6 << 10

var (
	errHeaderTwice = fault.ErrMalformed.WithMessage("a header that may occur once occurs twice")
	errHeaderSize  = fault.New(fault.TooLarge, "headers_too_large", "the request's headers are too large")
	errEncodedBody = fault.New(fault.Unsupported, "unsupported_media_type", "Content-Encoding is not supported")
	errBodyUnsent  = fault.ErrMalformed.WithMessage("the body is shorter than its Content-Length, or is invalid")
	errLateForBody = fault.ErrTimedOut.WithMessage("the body did not arrive in time")
)

// forwardRequestHeader copies the allowed headers to req. It fails with errHeaderSize for more than a sidecar carries,
// which it would report as an unavailable service.
func forwardRequestHeader(c *fiber.Ctx, req *fasthttp.Request, to Target, client string) error {
	in := &c.Request().Header
	encoding, hasBody := in.Peek(fiber.HeaderContentEncoding), in.ContentLength() != 0 && !in.IsGet() && !in.IsHead()
	if hasBody && len(encoding) > 0 && !strings.EqualFold(string(encoding), "identity") {
		return errEncodedBody
	}
	method := in.Method()
	if in.IsHead() { // services implement GET; the server omits the body
		method = []byte(fiber.MethodGet)
	}
	req.Header.SetMethodBytes(method)
	size := len(to.Path) + len(to.Query) + len(client)
	for _, name := range forwardedHeaders {
		if err := forwardField(in, req, name, &size); err != nil {
			return err
		}
	}
	if to.WithToken {
		if err := forwardField(in, req, fiber.HeaderAuthorization, &size); err != nil {
			return err
		}
	}
	if size > maxHeader {
		return errHeaderSize
	}
	req.Header.SetBytesV(fiber.HeaderXRequestID, c.Response().Header.Peek(fiber.HeaderXRequestID))
	req.Header.Set(fiber.HeaderXForwardedFor, client)
	return nil
}

func forwardField(in *fasthttp.RequestHeader, req *fasthttp.Request, name string, size *int) error {
	values := in.PeekAll(name) // fasthttp keeps one User-Agent and one Content-Type
	switch {
	case len(values) == 0, len(values[0]) == 0 && !slices.Contains(decisive, name):
		return nil
	case len(values) > 1 && slices.Contains(single, name):
		return errHeaderTwice.With(name, "must be given once")
	}
	value := web.HeaderText(string(bytes.Join(values, []byte(", "))))
	if most, ok := shortened[name]; ok && len(value) > most {
		value = strings.ToValidUTF8(value[:most-len(ellipsis)], "") + ellipsis
	}
	*size += len(name) + len(value)
	req.Header.Set(name, value)
	return nil
}

// decisive are headers whose empty value a service refuses.
var decisive = []string{idempotency.Header, fiber.HeaderIfMatch}

// single are headers that are no lists.
var single = []string{idempotency.Header, "Payment-Signature", "Stripe-Signature"}

// shortened are the lengths in bytes of headers that decide nothing: longer ones end with an ellipsis.
var shortened = map[string]int{fiber.HeaderUserAgent: 400, fiber.HeaderAcceptLanguage: 400}

const ellipsis = "\u2026"

// droppedHeaders are response headers that are hop-by-hop or set by the gateway.
var droppedHeaders = []string{
	fiber.HeaderKeepAlive, fiber.HeaderProxyAuthenticate, "Proxy-Connection", fiber.HeaderTrailer, fiber.HeaderUpgrade,
	fiber.HeaderServer, fiber.HeaderVary, fiber.HeaderXRequestID, "Traceparent", "Tracestate",
}

// sidecarHeaders are prefixes of headers that sidecars add; one has the client's address.
var sidecarHeaders = [][]byte{[]byte("dapr-"), []byte("x-rate-limit-"), []byte("access-control-")}

// forwardResponseHeader removes headers that must not reach the client.
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

// headerSnapshot keeps the gateway's own headers while the service's response replaces them.
type headerSnapshot struct{ requestID, traceParent []byte }

func ownHeader(res *fasthttp.Response) headerSnapshot {
	return headerSnapshot{
		requestID:   bytes.Clone(res.Header.Peek(fiber.HeaderXRequestID)),
		traceParent: bytes.Clone(res.Header.Peek("Traceparent")),
	}
}

func (s headerSnapshot) restore(res *fasthttp.Response) {
	res.Header.SetBytesV(fiber.HeaderXRequestID, s.requestID)
	if len(s.traceParent) > 0 {
		res.Header.SetBytesV("Traceparent", s.traceParent)
	}
}

var traced propagation.TraceContext

type requestCarrier struct{ *fasthttp.RequestHeader }

func (h requestCarrier) Get(key string) string { return string(h.Peek(key)) }
func (h requestCarrier) Keys() []string        { return nil }
