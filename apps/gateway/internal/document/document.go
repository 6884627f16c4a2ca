// Package document is the one OpenAPI document of the whole public API, made of the services' own.
package document

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"sidecart/apps/gateway/internal/forward"
	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

const (
	// cacheTime is how long a merged document is served before the services' documents are fetched again.
	cacheTime    = 10 * time.Second
	fetchTimeout = 2 * time.Second
)

// Documents merges the services' documents. It keeps the last document of a service that is unavailable.
type Documents struct {
	routes  []route.Route
	scale   int
	forward *forward.Forwarder
	own     func() map[string]any
	mu      sync.Mutex
	fetched map[string]object
	merged  []byte
	at      time.Time
}

// New merges the documents of the services of completed routes. scale multiplies the documented limits; own is the
// document of the gateway's own routes.
func New(routes []route.Route, scale int, to *forward.Forwarder, own func() map[string]any) *Documents {
	return &Documents{routes: routes, scale: scale, forward: to, own: own, fetched: map[string]object{}}
}

// Routes adds /openapi.json, and the page /docs that shows it.
func (d *Documents) Routes(app *web.App) {
	app.Get("/openapi.json", web.RefuseBody, func(c *fiber.Ctx) error {
		merged, err := d.Document(c.UserContext())
		if err != nil {
			return err
		}
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		c.Set(fiber.HeaderCacheControl, "no-cache")
		return c.Send(merged)
	})
	web.Docs(app.App)
}

// Document is the merged document as JSON. It lacks the operations of services that have not responded yet.
func (d *Documents) Document(ctx context.Context) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.at) < cacheTime {
		return d.merged, nil
	}
	complete := d.refresh(context.WithoutCancel(ctx))
	own, err := viaJSON(d.own())
	if err != nil {
		return nil, err
	}
	docs := maps.Clone(d.fetched)
	docs[route.Gateway] = own
	doc, err := merge(d.routes, d.scale, docs)
	if err != nil {
		return nil, err
	}
	merged, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	d.merged, d.at = merged, time.Now()
	if !complete { // the platform is starting: fetch again soon
		d.at = d.at.Add(time.Second - cacheTime)
	}
	return merged, nil
}

// refresh fetches all services' documents concurrently, and reports whether there is one of each.
func (d *Documents) refresh(ctx context.Context) (complete bool) {
	services := route.Services(d.routes)
	fresh := make([]object, len(services))
	var wg sync.WaitGroup
	for i, service := range services {
		wg.Go(func() {
			doc, err := d.fetch(ctx, service)
			if err != nil {
				slog.WarnContext(ctx, "document of a service not fetched", "service", service, "err", err)
			}
			fresh[i] = doc
		})
	}
	wg.Wait()
	for i, service := range services {
		if fresh[i] != nil {
			d.fetched[service] = fresh[i]
		}
	}
	return len(d.fetched) == len(services)
}

// viaJSON is a document as decoded from JSON, like those of the services.
func viaJSON(document map[string]any) (read object, err error) {
	text, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	return read, json.Unmarshal(text, &read)
}

var openAPI = sidecar.Endpoint{Method: "GET", Path: "/openapi.json"}

func (d *Documents) fetch(ctx context.Context, service string) (doc object, err error) {
	response, err := d.forward.Fetch(ctx, service, openAPI.Path, nil, fetchTimeout)
	if err != nil {
		return nil, err
	}
	return doc, json.Unmarshal(response.Body, &doc)
}
