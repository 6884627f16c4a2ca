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

// ErrUpstream is the fault of a call that reached no answer of the other service.
var ErrUpstream = fault.New(fault.Unavailable, "service_unavailable", "a service this needs does not answer at the moment").WithRetryAfter(2)

// largestResponse is how much of a response is read, in bytes.
const largestResponse = 8 << 20

// timeout bounds one call, the sidecar's retries included.
const timeout = 10 * time.Second

// Invoke calls another app through both sidecars. A fault of the other app comes back as itself, its Retry-After
// included. It fails with ErrUpstream where the other app or a sidecar does not answer within 10 s, or has not been
// answering. The sidecar may repeat a call: invoke only what is idempotent.
func (s *Sidecar) Invoke(ctx context.Context, to Endpoint, in, out any) error {
	leave, err := s.breaker(to.App).Allow()
	if err != nil {
		return err
	}
	return s.invoke(ctx, to, in, out, leave)
}

// InvokeWithoutBreaker calls an app even while it does not answer, for callers that must notice its return immediately.
func (s *Sidecar) InvokeWithoutBreaker(ctx context.Context, to Endpoint, in, out any) error {
	return s.invoke(ctx, to, in, out, func(error) {})
}

// invoke reports to done whether the other app answered, before it reads the answer.
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

// SignatureHeader is the header field that every response of an app has. Where an app dies under concurrent calls, its
// sidecar at times gives one caller's error to another, and to the first an empty response of status 200: all requests
// to an app share one pipeline, which runs the handler of the latest request (daprd 1.16.0 to 1.18.2,
// pkg/middleware/http/pipeline.go, as made in https://github.com/dapr/dapr/pull/7286). Remove when each request runs
// its own handler.
const SignatureHeader = "X-Request-Id"

// response is what the other app itself answered: a body, or a fault.
type response struct {
	body  []byte
	fault error
}

// do fails with ErrUpstream where the other app did not answer, and with the context's error where the caller has gone.
func (s *Sidecar) do(to Endpoint, req *http.Request) (response, error) {
	res, err := s.http.Do(req)
	if err != nil {
		return response{}, unanswered(to, err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(io.LimitReader(res.Body, largestResponse))
	if err != nil {
		return response{}, unanswered(to, err)
	}
	if res.StatusCode < 300 {
		if res.Header.Get(SignatureHeader) == "" {
			return response{}, ErrUpstream.Wrap(fmt.Errorf("invoke %s: a response that is not the app's", to))
		}
		return response{body: body}, nil
	}
	return faultIn(to, res, body)
}

func unanswered(to Endpoint, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return ErrUpstream.Wrap(fmt.Errorf("invoke %s: %w", to, err))
}

// faultIn distinguishes the other app's response from a sidecar's: apps answer errors only as problem+json.
func faultIn(to Endpoint, res *http.Response, body []byte) (response, error) {
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
	upstream := ErrUpstream.WithRetryAfterHeader(retryAfter).Wrap(fmt.Errorf("invoke %s: the sidecar answers %d: %.200s", to, res.StatusCode, body))
	if res.StatusCode == http.StatusTooManyRequests { // the guard against floods in front of an app that is well
		return response{fault: upstream}, nil
	}
	return response{}, upstream
}
