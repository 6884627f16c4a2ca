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
	// cacheTime is how long a document is given again before the services are asked whether theirs changed.
	cacheTime    = 10 * time.Second
	fetchTimeout = 2 * time.Second
)

// Documents keeps the services' documents. While a service is away its last one is still shown.
type Documents struct {
	routes  []route.Route
	scale   int
	forward *forward.Forwarder
	own     func() map[string]any
	mu      sync.Mutex
	last    map[string]object
	merged  []byte
	at      time.Time
}

// NewLibrary makes a library of what completed routes lead to. scale multiplies the limits it tells of; own is what the
// gateway says of its own routes.
func NewLibrary(routes []route.Route, scale int, to *forward.Forwarder, own func() map[string]any) *Documents {
	return &Documents{routes: routes, scale: scale, forward: to, own: own, last: map[string]object{}}
}

// Routes adds /openapi.json and the page that shows it, /docs.
func (l *Documents) Routes(app *web.App) {
	app.Get("/openapi.json", func(c *fiber.Ctx) error {
		merged, err := l.Document(c.UserContext())
		if err != nil {
			return err
		}
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		c.Set(fiber.HeaderCacheControl, "no-cache")
		return c.Send(merged)
	})
	web.Docs(app.App)
}

// Document is the merged document as JSON. Operations of a service that has not been reached yet are not in it.
func (l *Documents) Document(ctx context.Context) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.at) < cacheTime {
		return l.merged, nil
	}
	complete := l.ask(context.WithoutCancel(ctx))
	own, err := generic(l.own())
	if err != nil {
		return nil, err
	}
	docs := maps.Clone(l.last)
	docs[route.Here] = own
	doc, err := merge(l.routes, l.scale, docs)
	if err != nil {
		return nil, err
	}
	merged, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	l.merged, l.at = merged, time.Now()
	if !complete { // a platform that is starting has its document as soon as it is up
		l.at = l.at.Add(time.Second - cacheTime)
	}
	return merged, nil
}

// ask refreshes what there is, all services at once, and says whether there is something of each.
func (l *Documents) ask(ctx context.Context) (complete bool) {
	services := route.Services(l.routes)
	fresh := make([]object, len(services))
	var wg sync.WaitGroup
	for i, service := range services {
		wg.Go(func() {
			doc, err := l.fetch(ctx, service)
			if err != nil {
				slog.WarnContext(ctx, "no document of a service", "service", service, "err", err)
			}
			fresh[i] = doc
		})
	}
	wg.Wait()
	for i, service := range services {
		if fresh[i] != nil {
			l.last[service] = fresh[i]
		}
	}
	return len(l.last) == len(services)
}

// generic is a document as it is read from JSON, like those of the others.
func generic(document map[string]any) (read object, err error) {
	text, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	return read, json.Unmarshal(text, &read)
}

var openAPI = sidecar.Endpoint{Method: "GET", Path: "/openapi.json"}

func (l *Documents) fetch(ctx context.Context, service string) (doc object, err error) {
	answer, err := l.forward.Fetch(ctx, service, openAPI.Path, nil, fetchTimeout)
	if err != nil {
		return nil, err
	}
	return doc, json.Unmarshal(answer.Body, &doc)
}
