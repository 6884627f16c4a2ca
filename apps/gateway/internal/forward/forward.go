// Package forward sends requests to the services through the gateway's sidecar.
package forward

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"sidecart/kit/fault"
	"sidecart/kit/sidecar"
)

// Forwarder holds connections to one sidecar. It is safe for concurrent use.
type Forwarder struct {
	host     *fasthttp.HostClient
	addr     string
	token    string
	breakers map[string]*sidecar.Breaker
}

// New makes a forwarder to services through the sidecar at addr (host:port). token is the sidecar's API token, or
// empty.
func New(addr, token string, services []string) *Forwarder {
	f := &Forwarder{addr: addr, token: token, breakers: map[string]*sidecar.Breaker{}}
	for _, service := range services {
		f.breakers[service] = sidecar.NewBreaker(service)
	}
	f.host = &fasthttp.HostClient{
		Addr:                     addr,
		Dial:                     func(addr string) (net.Conn, error) { return fasthttp.DialTimeout(addr, time.Second) },
		MaxConns:                 4096,
		MaxIdleConnDuration:      30 * time.Second,
		MaxConnWaitTimeout:       time.Second,
		ReadBufferSize:           16 << 10,
		WriteBufferSize:          16 << 10,
		NoDefaultUserAgentHeader: true,
		DisablePathNormalizing:   true,
		StreamResponseBody:       true,
		RetryIfErr:               retryIfIdempotent,
	}
	return f
}

// retryIfIdempotent retries a GET once, on an idle connection that the sidecar has closed. Other methods are not
// retried: the request may have been handled.
func retryIfIdempotent(req *fasthttp.Request, attempts int, err error) (resetTimeout, retry bool) {
	return false, attempts == 1 && req.Header.IsGet() && !errors.Is(err, fasthttp.ErrTimeout)
}

// Target is the destination of a request with its limits.
type Target struct {
	Service   string
	Path      string // at the service, without query
	Query     []byte // printable ASCII
	BodyLimit int    // in bytes
	Deadline  time.Duration
	// Idle is the timeout of each part of a response that streams until the deadline. With 0 the server's timeout holds
	// for the whole response.
	Idle time.Duration
	// WithToken forwards the caller's bearer token.
	WithToken bool
}

// Forward sends the request of c to a service and writes the service's response to c; bodies are streamed. client is
// the caller's address. It fails with web.ErrTooLarge for a body over the limit, errHeaderSize for headers and a query
// that sidecars cannot carry, sidecar.ErrUpstream if the service or a sidecar does not respond, and fault.ErrTimedOut.
func (f *Forwarder) Forward(c *fiber.Ctx, to Target, client string) (err error) {
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	f.address(c.UserContext(), req, to.Service, to.Path, to.Query)
	if err := forwardRequestHeader(c, req, to, client); err != nil {
		return err
	}
	sent, err := forwardBody(c, req, to.BodyLimit)
	if err != nil {
		return err
	}
	done, err := f.breakers[to.Service].Allow()
	if err != nil {
		return err
	}
	defer func() { done(upstreamError(err)) }()
	// The response is read into the client's response; the gateway's own headers are restored after it.
	res := c.Response()
	own := ownHeader(res)
	defer own.restore(res)
	if to.Idle > 0 {
		res = new(fasthttp.Response) // not from the pool: its body is read after Forward returns
	}
	err = f.host.DoTimeout(req, res, to.Deadline)
	if err == nil && fromSidecar(res.StatusCode(), res.Header.ContentType(), res.Header.Peek(sidecar.SignatureHeader)) {
		err = sidecarFault(res.StatusCode(), string(res.Header.Peek(fiber.HeaderRetryAfter)), bodyStart(res))
	}
	if err == nil {
		err = readSmall(res)
	}
	if err != nil {
		res.Reset()
		return sent.fault(c, f.connectionFault(err))
	}
	forwardResponseHeader(res)
	if to.Idle > 0 {
		streamResponse(c, res, to.Idle)
	}
	return nil
}

// connectionFault returns the fault of a connection error.
func (f *Forwarder) connectionFault(err error) error {
	var known *fault.Error
	var network net.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, fasthttp.ErrTimeout), errors.As(err, &network) && network.Timeout():
		return fault.ErrTimedOut.Wrap(err)
	}
	// The sidecar has exited or was replaced: its other idle connections are closed, too.
	f.host.CloseIdleConnections()
	return sidecar.ErrUpstream.Wrap(err)
}

// address sets the URI and headers of a call to a service through the sidecar.
func (f *Forwarder) address(ctx context.Context, req *fasthttp.Request, service, path string, query []byte) {
	req.SetRequestURI(path)
	req.URI().SetQueryStringBytes(query)
	req.SetHost(f.addr)
	req.Header.Set("dapr-app-id", service)
	if f.token != "" {
		req.Header.Set("dapr-api-token", f.token)
	}
	traced.Inject(ctx, requestCarrier{&req.Header})
}

// Field is one header field.
type Field struct{ Name, Value string }

// Response is a complete response. It may be shared and must not be changed.
type Response struct {
	Status int
	Header []Field
	Body   []byte

	signature []byte
}

// Get returns the value of a header field, or empty.
func (r *Response) Get(name string) string {
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// maxResponse is how many bytes of a response Fetch reads.
const maxResponse = 8 << 20

// Fetch sends a public GET request and reads the whole response. It fails as Forward does.
func (f *Forwarder) Fetch(ctx context.Context, service, path string, query []byte, deadline time.Duration) (response *Response, err error) {
	if len(path)+len(query) > maxHeader {
		return nil, errHeaderSize
	}
	done, err := f.breakers[service].Allow()
	if err != nil {
		return nil, err
	}
	defer func() { done(upstreamError(err)) }()
	response, err = f.Probe(ctx, service, path, query, deadline)
	if err == nil && fromSidecar(response.Status, []byte(response.Get(fiber.HeaderContentType)), response.signature) {
		return nil, sidecarFault(response.Status, response.Get(fiber.HeaderRetryAfter), response.Body)
	}
	return response, err
}

// Probe calls a service even while its circuit breaker is open. The response may be a sidecar's.
func (f *Forwarder) Probe(ctx context.Context, service, path string, query []byte, deadline time.Duration) (*Response, error) {
	req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(res)
	f.address(ctx, req, service, path, query)
	if err := f.host.DoTimeout(req, res, deadline); err != nil {
		return nil, f.connectionFault(err)
	}
	response := &Response{Status: res.StatusCode(), signature: bytes.Clone(res.Header.Peek(sidecar.SignatureHeader))}
	if stream := res.BodyStream(); stream != nil {
		body, err := io.ReadAll(io.LimitReader(stream, maxResponse+1))
		if err != nil {
			return nil, f.connectionFault(err)
		}
		if len(body) > maxResponse {
			return nil, fault.ErrInternal.Wrap(errors.New("the response of " + service + " is too large"))
		}
		response.Body = body
	}
	forwardResponseHeader(res)
	for name, value := range res.Header.All() {
		if n := string(name); n != fiber.HeaderContentLength && n != fiber.HeaderDate {
			response.Header = append(response.Header, Field{n, string(value)})
		}
	}
	return response, nil
}
