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

	"go.opentelemetry.io/otel/propagation"

	"sidecart/kit/fault"
)

// ErrNeighbour tells that another service, or the way to it, does not answer at the moment.
var ErrNeighbour = fault.New(fault.Unavailable, "service_unavailable", "a service this needs does not answer at the moment").After(2)

// largestAnswer is how much of a neighbour's answer is read, in bytes.
const largestAnswer = 8 << 20

// Ask calls another app through both sidecars: Ask(ctx, "products", "PUT /reservations/7", in, &out). in is sent as
// JSON unless nil; out may be nil. A fault of the other app comes back as itself; it fails with ErrNeighbour where the
// other app or a sidecar does not answer. What it asks may run twice: ask only what is idempotent.
func (s *Sidecar) Ask(ctx context.Context, app, route string, in, out any) error {
	method, path, _ := strings.Cut(route, " ")
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("ask %s: %w", app, err)
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.HTTPAddr+path, body)
	if err != nil {
		return fmt.Errorf("ask %s: %w", app, err)
	}
	req.Header.Set("dapr-app-id", app)
	req.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		req.Header.Set("dapr-api-token", s.token)
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	res, err := s.asks.Do(req)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return ErrNeighbour.Because(fmt.Errorf("ask %s: %w", app, err))
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	answer, err := io.ReadAll(io.LimitReader(res.Body, largestAnswer))
	if err != nil {
		return ErrNeighbour.Because(fmt.Errorf("ask %s: %w", app, err))
	}
	if res.StatusCode >= 300 {
		return faultIn(app, res, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("ask %s: %s answered what is not expected: %w", app, route, err)
	}
	return nil
}

// faultIn tells the other app's own answer from a sidecar's: apps answer only problem+json.
func faultIn(app string, res *http.Response, answer []byte) error {
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	var p fault.Problem
	if media == fault.ContentType && json.Unmarshal(answer, &p) == nil && p.Code != "" {
		f := p.Fault()
		if f.Kind == fault.Internal {
			return fmt.Errorf("ask %s: %w", app, f)
		}
		return f
	}
	return ErrNeighbour.Because(fmt.Errorf("ask %s: the sidecar answers %d: %.200s", app, res.StatusCode, answer))
}
