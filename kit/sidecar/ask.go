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
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"sidecart/kit/fault"
)

// ErrNeighbour tells that another service, or the way to it, does not answer at the moment.
var ErrNeighbour = fault.New(fault.Unavailable, "service_unavailable", "a service this needs does not answer at the moment").After(2)

// largestAnswer is how much of a neighbour's answer is read, in bytes.
const largestAnswer = 8 << 20

// patience bounds one question, the sidecar's repetitions of it included.
const patience = 10 * time.Second

// Ask calls another app through both sidecars: Ask(ctx, "products", "PUT /reservations/7", in, &out). in is sent as
// JSON unless nil; out may be nil. A fault of the other app comes back as itself; it fails with ErrNeighbour where the
// other app or a sidecar does not answer within 10 s, or has not been answering. What it asks may run twice: ask only
// what is idempotent.
func (s *Sidecar) Ask(ctx context.Context, app, route string, in, out any) error {
	leave, err := s.breaker(app).Enter()
	if err != nil {
		return err
	}
	return s.ask(ctx, app, route, in, out, leave)
}

// AskAnyway is Ask, also of an app that has not been answering: for the few who must know at once when it is back.
func (s *Sidecar) AskAnyway(ctx context.Context, app, route string, in, out any) error {
	return s.ask(ctx, app, route, in, out, func(error) {})
}

// ask calls told with what came of the way there, before it looks at what was answered.
func (s *Sidecar) ask(ctx context.Context, app, route string, in, out any, told func(error)) error {
	req, err := s.question(ctx, app, route, in)
	if err != nil {
		told(nil)
		return fmt.Errorf("ask %s: %w", app, err)
	}
	answer, err := s.answer(app, req)
	told(err)
	switch {
	case err != nil:
		return err
	case answer.fault != nil:
		return answer.fault
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(answer.body, out); err != nil {
		return fmt.Errorf("ask %s: %s answered what is not expected: %w", app, route, err)
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

func (s *Sidecar) question(ctx context.Context, app, route string, in any) (*http.Request, error) {
	method, path, _ := strings.Cut(route, " ")
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.HTTPAddr+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("dapr-app-id", app)
	req.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		req.Header.Set("dapr-api-token", s.token)
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	return req, nil
}

// Signature is the field that every answer of an app has. Where an app dies while others ask it, the sidecar beside it (seen with
// daprd 1.16) at times gives one asker's error to another, and to the one itself an empty answer of status 200.
const Signature = "X-Request-Id"

// answered is what the other app itself said: a body, or a fault.
type answered struct {
	body  []byte
	fault error
}

// answer fails with ErrNeighbour where the other app did not say anything, and with the context's error where whoever
// asked has gone.
func (s *Sidecar) answer(app string, req *http.Request) (answered, error) {
	res, err := s.asks.Do(req)
	if err != nil {
		return answered{}, unanswered(app, err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(io.LimitReader(res.Body, largestAnswer))
	if err != nil {
		return answered{}, unanswered(app, err)
	}
	if res.StatusCode < 300 {
		if res.Header.Get(Signature) == "" {
			return answered{}, ErrNeighbour.Because(fmt.Errorf("ask %s: an answer that is not the app's", app))
		}
		return answered{body: body}, nil
	}
	return faultIn(app, res, body)
}

func unanswered(app string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return ErrNeighbour.Because(fmt.Errorf("ask %s: %w", app, err))
}

// faultIn tells the other app's own answer from a sidecar's: apps answer only problem+json.
func faultIn(app string, res *http.Response, body []byte) (answered, error) {
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	var p fault.Problem
	if media == fault.ContentType && json.Unmarshal(body, &p) == nil && p.Code != "" {
		f := p.Fault()
		if f.Kind == fault.Internal {
			return answered{fault: fmt.Errorf("ask %s: %w", app, f)}, nil
		}
		return answered{fault: f}, nil
	}
	return answered{}, ErrNeighbour.Because(fmt.Errorf("ask %s: the sidecar answers %d: %.200s", app, res.StatusCode, body))
}
