package sidecar

import (
	"context"
	"net/url"
	"strings"
)

// Endpoint is one route of another app. The service that calls it declares it once, as a variable with constant fields:
//
//	var reserve = sidecar.Endpoint{App: "products", Method: "PUT", Path: "/reservations/{id}"}
//
// Access lists are made of these declarations (`make generate`); a sidecar refuses a call that none declares.
type Endpoint struct {
	App    string // empty for a route that every service has
	Method string
	Path   string // with a {name} for each parameter; a query follows a "?"
}

// With fills in the parameters of the path, in order.
func (e Endpoint) With(values ...string) Endpoint {
	for _, v := range values {
		before, rest, _ := strings.Cut(e.Path, "{")
		_, after, _ := strings.Cut(rest, "}")
		e.Path = before + strings.ReplaceAll(url.QueryEscape(v), "+", "%20") + after
	}
	return e
}

// String is the endpoint for logs and errors: "products PUT /reservations/{id}".
func (e Endpoint) String() string { return e.App + " " + e.Method + " " + e.Path }

// Invoke calls an endpoint. in is sent as JSON unless nil; out may be nil. See (*Sidecar).Invoke.
type Invoke func(ctx context.Context, to Endpoint, in, out any) error
