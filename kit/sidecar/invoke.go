package sidecar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"sidecart/kit/fault"
)

// ErrUpstream is the fault of a call that got no response of the other service.
var ErrUpstream = fault.New(fault.Unavailable, "service_unavailable", "a service that this request needs is unavailable").WithRetryAfter(2)

// largestResponse is how many bytes of a response are read.
const largestResponse = 8 << 20

// timeout bounds one call, the sidecar's retries included.
const timeout = 10 * time.Second

// Invoke calls another app through both sidecars. A fault of the other app comes back as itself, its Retry-After
// included. It fails with ErrUpstream if the other app or a sidecar does not respond within 10 s, or while the circuit
// breaker is open. The sidecar may repeat a call: invoke only idempotent endpoints.
func (s *Sidecar) Invoke(ctx context.Context, to Endpoint, in, out any) error {
	done, err := s.breaker(to.App).Allow()
	if err != nil {
		return err
	}
	return s.invoke(ctx, to, in, out, done)
}

// InvokeWithoutBreaker calls an app even while it is unavailable, for callers that must notice its return immediately.
func (s *Sidecar) InvokeWithoutBreaker(ctx context.Context, to Endpoint, in, out any) error {
	return s.invoke(ctx, to, in, out, func(error) {})
}

// invoke calls done with the error of the call before it decodes the response.
func (s *Sidecar) invoke(ctx context.Context, to Endpoint, in, out any, done func(error)) error {
	req, err := s.request(ctx, to, in)
	if err != nil {
		done(nil)
		return fmt.Errorf("invoke %s: %w", to, err)
	}
	res, err := s.do(to, req)
	done(err)
	switch {
	case err != nil:
		return err
	case res.fault != nil:
		return res.fault
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(res.body, out); err != nil {
		return fmt.Errorf("invoke %s: unexpected response: %w", to, err)
	}
	return nil
}

func (s *Sidecar) breaker(app string) *Breaker {
	if known, ok := s.breakers.Load(app); ok {
		return known.(*Breaker)
	}
	made, _ := s.breakers.LoadOrStore(app, NewBreaker(app))
	return made.(*Breaker)
}

func (s *Sidecar) request(ctx context.Context, to Endpoint, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, to.Method, "http://"+s.HTTPAddr+to.Path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("dapr-app-id", to.App)
	req.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		req.Header.Set("dapr-api-token", s.token)
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	return req, nil
}

// SignatureHeader is the header field that every response of an app has. Where an app crashes under concurrent calls,
// its sidecar at times returns one caller's error to another, and to the first an empty response of status 200: all
// requests to an app share one pipeline, which runs the handler of the latest request (daprd 1.16.0 to 1.18.2,
// pkg/middleware/http/pipeline.go, as made in https://github.com/dapr/dapr/pull/7286). Remove when each request runs
// its own handler.
const SignatureHeader = "X-Request-Id"

// response is the response of the other app itself: a body, or a fault.
type response struct {
	body  []byte
	fault error
}

// do fails with ErrUpstream if the other app did not respond, and with the context's error if the caller disconnected.
func (s *Sidecar) do(to Endpoint, req *http.Request) (response, error) {
	res, err := s.http.Do(req)
	if err != nil {
		return response{}, upstreamError(to, err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(io.LimitReader(res.Body, largestResponse))
	if err != nil {
		return response{}, upstreamError(to, err)
	}
	if res.StatusCode < 300 {
		if res.Header.Get(SignatureHeader) == "" {
			return response{}, ErrUpstream.Wrap(fmt.Errorf("invoke %s: no response of the app", to))
		}
		return response{body: body}, nil
	}
	return errorResponse(to, res, body)
}

func upstreamError(to Endpoint, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return ErrUpstream.Wrap(fmt.Errorf("invoke %s: %w", to, err))
}

// errorResponse distinguishes the other app's response from a sidecar's: apps respond with errors only as problem+json.
func errorResponse(to Endpoint, res *http.Response, body []byte) (response, error) {
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	retryAfter := res.Header.Get("Retry-After")
	var p fault.Problem
	if media == fault.ContentType && json.Unmarshal(body, &p) == nil && p.Code != "" {
		f := p.Fault(retryAfter)
		if f.Kind == fault.Internal {
			return response{fault: fmt.Errorf("invoke %s: %w", to, f)}, nil
		}
		return response{fault: f}, nil
	}
	upstream := ErrUpstream.WithRetryAfterHeader(retryAfter).Wrap(fmt.Errorf("invoke %s: the sidecar responds %d: %.200s", to, res.StatusCode, body))
	if res.StatusCode == http.StatusTooManyRequests { // the flood limit of a healthy app
		return response{fault: upstream}, nil
	}
	return response{}, upstream
}
