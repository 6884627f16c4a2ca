// Package forward carries requests to the services, through the gateway's own sidecar.
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

// Forwarder is safe for all requests at once. It holds connections to one sidecar.
type Forwarder struct {
	host     *fasthttp.HostClient
	addr     string
	token    string
	breakers map[string]*sidecar.Breaker
}

// New makes a forwarder to services through the sidecar at addr (host:port). token is the sidecar's API token, or
// empty where it asks for none.
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

// retryIfIdempotent repeats a read on a connection that the sidecar had closed in the meantime. Nothing else is sent twice:
// a change whose answer was lost may have been made.
func retryIfIdempotent(req *fasthttp.Request, attempts int, err error) (resetTimeout, retry bool) {
	return false, attempts == 1 && req.Header.IsGet() && !errors.Is(err, fasthttp.ErrTimeout)
}

// Target is where a request goes and what bounds it.
type Target struct {
	Service   string
	Path      string // the service's own, without query
	BodyLimit int    // in bytes
	Deadline  time.Duration
	// Idle is how long the client may take nothing of an answer that streams, which may then go on until the deadline. 0
	// leaves the whole answer to the server's own timeout.
	Idle time.Duration
	// WithToken passes the caller's bearer token on. Without it the service does not learn who asks.
	WithToken bool
}

// Forward gives the request in c to a service and the service's answer to c, whatever it is; bodies stream both ways.
// client is the caller's address. It fails with web.ErrTooLarge for a body over the limit, fault.ErrMalformed for what
// no service can be given, sidecar.ErrUpstream where the service or a sidecar does not answer, and fault.ErrTimedOut.
func (f *Forwarder) Forward(c *fiber.Ctx, to Target, client string) (err error) {
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	f.address(c.UserContext(), req, to.Service, to.Path, c.Context().URI().QueryString())
	if err := forwardRequestHeader(c, req, to.WithToken, client); err != nil {
		return err
	}
	sent, err := forwardBody(c, req, to.BodyLimit)
	if err != nil {
		return err
	}
	leave, err := f.breakers[to.Service].Allow()
	if err != nil {
		return err
	}
	defer func() { leave(upstreamError(err)) }()
	// The answer is read right into the client's response; what the gateway itself has to say there is kept aside.
	res := c.Response()
	own := ownHeader(res)
	defer own.restore(res)
	if to.Idle > 0 {
		res = new(fasthttp.Response) // not from the pool: its stream is read after Forward
	}
	err = f.host.DoTimeout(req, res, to.Deadline)
	if err == nil && fromSidecar(res.StatusCode(), res.Header.ContentType(), res.Header.Peek(sidecar.SignatureHeader)) {
		err = sidecarFault(res.StatusCode(), string(res.Header.Peek(fiber.HeaderRetryAfter)), bodyStart(res))
	}
	if err == nil {
		err = readSmall(res)
	}
	if err != nil {
		err = sent.fault(c, f.lost(err))
		res.Reset()
		return err
	}
	forwardResponseHeader(res)
	if to.Idle > 0 {
		streamResponse(c, res, to.Idle)
	}
	return nil
}

// lost is the fault that an error on the way to the sidecar stands for.
func (f *Forwarder) lost(err error) error {
	var known *fault.Error
	var network net.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, fasthttp.ErrTimeout), errors.As(err, &network) && network.Timeout():
		return fault.ErrTimedOut.Wrap(err)
	}
	// The sidecar went away or was replaced: other idle connections to it are as dead as this one.
	f.host.CloseIdleConnections()
	return sidecar.ErrUpstream.Wrap(err)
}

// address makes req a call of a service through the sidecar.
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

// Response is what a service said, read to its end. It may be shared, so nobody changes it.
type Response struct {
	Status int
	Header []Field
	Body   []byte

	signature []byte
}

// Get is the value of a header field, or empty.
func (a *Response) Get(name string) string {
	for _, f := range a.Header {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// maxResponse is how much of an answer Fetch reads, in bytes.
const maxResponse = 8 << 20

// Fetch asks a service for what anyone may see and reads the whole answer. It fails as Forward does.
func (f *Forwarder) Fetch(ctx context.Context, service, path string, query []byte, deadline time.Duration) (answer *Response, err error) {
	if len(path)+len(query) > maxHeader {
		return nil, errHeaderSize
	}
	leave, err := f.breakers[service].Allow()
	if err != nil {
		return nil, err
	}
	defer func() { leave(upstreamError(err)) }()
	answer, err = f.Probe(ctx, service, path, query, deadline)
	if err == nil && fromSidecar(answer.Status, []byte(answer.Get(fiber.HeaderContentType)), answer.signature) {
		return nil, sidecarFault(answer.Status, answer.Get(fiber.HeaderRetryAfter), answer.Body)
	}
	return answer, err
}

// Probe calls a service past its breaker, to find out how it is. The answer may be a sidecar's.
func (f *Forwarder) Probe(ctx context.Context, service, path string, query []byte, deadline time.Duration) (*Response, error) {
	req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(res)
	f.address(ctx, req, service, path, query)
	if err := f.host.DoTimeout(req, res, deadline); err != nil {
		return nil, f.lost(err)
	}
	answer := &Response{Status: res.StatusCode(), signature: bytes.Clone(res.Header.Peek(sidecar.SignatureHeader))}
	if stream := res.BodyStream(); stream != nil {
		body, err := io.ReadAll(io.LimitReader(stream, maxResponse+1))
		if err != nil {
			return nil, f.lost(err)
		}
		if len(body) > maxResponse {
			return nil, fault.ErrInternal.Wrap(errors.New("the answer of " + service + " is too large to be kept"))
		}
		answer.Body = body
	}
	forwardResponseHeader(res)
	for name, value := range res.Header.All() {
		if n := string(name); n != fiber.HeaderContentLength && n != fiber.HeaderDate {
			answer.Header = append(answer.Header, Field{n, string(value)})
		}
	}
	return answer, nil
}
