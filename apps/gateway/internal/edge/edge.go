// Package edge is what every request to the platform passes: host, token, permission, limit, and then the service that
// responds.
package edge

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"sidecart/apps/gateway/internal/cache"
	"sidecart/apps/gateway/internal/forward"
	"sidecart/apps/gateway/internal/limit"
	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Config is what differs between environments.
type Config struct {
	// Hosts are the host names of the platform, without port.
	Hosts []string
	// Origins are other web origins that may call the API, like https://shop.example.com.
	Origins []string
	// Proxies are the networks whose X-Forwarded-For is trusted.
	Proxies []netip.Prefix
}

// Edge serves the public routes.
type Edge struct {
	cfg     Config
	routes  []route.Route
	verify  web.Verify
	limiter *limit.Limiter
	cache   *cache.Cache
	hits    metric.Int64Counter
	labels  map[string]attribute.Set // of the cached routes in hits, by Do
	forward *forward.Forwarder
}

// New needs completed routes (route.Complete).
func New(cfg Config, routes []route.Route, verify web.Verify, limiter *limit.Limiter, responses *cache.Cache, to *forward.Forwarder) *Edge {
	e := &Edge{cfg: cfg, routes: routes, labels: map[string]attribute.Set{}, verify: verify, limiter: limiter, cache: responses, forward: to}
	e.hits, _ = otel.Meter("sidecart/apps/gateway/edge").Int64Counter("gateway.cache.hits") // fails only for an invalid name
	for _, r := range routes {
		e.labels[r.Do] = attribute.NewSet(attribute.String("http.request.method", r.Method()), attribute.String("http.route", r.Pattern()))
	}
	return e
}

// Routes adds to an app the checks that precede every route, and the routes.
func (e *Edge) Routes(app *web.App) {
	checkMethod(app)
	app.Use(e.setSecurityHeaders, checkHead, e.checkHost, e.cors, checkPath)
	for _, r := range e.routes {
		if r.Reads() {
			app.Get(r.Pattern(), e.serve(r)) // and HEAD
		} else {
			app.Add(r.Method(), r.Pattern(), e.serve(r))
		}
	}
}

// LimitOthers gives all routes that are added after it, and unknown paths, one common limit per address.
func (e *Edge) LimitOthers(app *web.App) {
	app.Use(func(c *fiber.Ctx) error {
		counted, err := e.count(c, "other", route.Others, shop.Caller{}, e.client(c))
		setLimitHeaders(c, counted)
		if err != nil {
			return err
		}
		return c.Next()
	})
}

var errForbidden = fault.New(fault.Forbidden, "forbidden", "your role does not allow this")

// serve handles one route. A caller without a valid token counts by address before the refusal, so that guessing tokens
// is limited, too.
func (e *Edge) serve(r route.Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		client := e.client(c)
		caller, refusal := e.caller(c, r.Need)
		counted, err := e.count(c, r.Do, r.Limit, caller, client)
		if err == nil {
			err = refusal
		}
		if err == nil && !r.Takes(c.Params) {
			err = errNoRoute
		}
		if err == nil {
			if isSlow(c, r) {
				// A slow route may also take long to receive, once its caller is authorised.
				err = c.Context().SetReadDeadline(time.Now().Add(r.Deadline))
			}
		}
		if err == nil {
			err = e.respond(c, r, client)
		}
		setLimitHeaders(c, counted)
		setDeprecationHeaders(c, r.Deprecated)
		return err
	}
}

// isSlow reports whether a route's deadline exceeds the server's timeout of other requests.
func isSlow(c *fiber.Ctx, r route.Route) bool { return r.Deadline > c.App().Config().ReadTimeout }

// caller verifies the token, if the route needs one. It fails with a fault if the caller lacks the permission.
func (e *Edge) caller(c *fiber.Ctx, need shop.Permission) (shop.Caller, error) {
	if need == shop.Anyone {
		return shop.Caller{}, nil
	}
	token, err := web.BearerToken(c)
	if err != nil {
		return shop.Caller{}, err
	}
	caller, err := e.verify(c.UserContext(), token)
	if err != nil {
		return shop.Caller{}, err
	}
	if !caller.May(need) {
		return caller, errForbidden
	}
	return caller, nil
}

var errLimited = fault.New(fault.Limited, "rate_limited", "too many requests; try again later")

func (e *Edge) count(c *fiber.Ctx, what string, most route.Limit, caller shop.Caller, client netip.Addr) (limit.Decision, error) {
	name := "address " + limitGroup(client)
	if caller.Known() {
		name = "user " + caller.ID.String()
	}
	counted := e.limiter.Take(c.UserContext(), what, name, most.PerMinute)
	if !counted.Allowed {
		return counted, errLimited.WithRetryAfter(counted.RetryAfter)
	}
	return counted, nil
}

func setLimitHeaders(c *fiber.Ctx, counted limit.Decision) {
	c.Set("RateLimit-Limit", strconv.Itoa(counted.Limit))
	c.Set("RateLimit-Remaining", strconv.Itoa(counted.Remaining))
	c.Set("RateLimit-Reset", strconv.Itoa(counted.Reset))
}

// setDeprecationHeaders sets Deprecation (RFC 9745), Sunset (RFC 8594) and Link (RFC 8288).
func setDeprecationHeaders(c *fiber.Ctx, d route.Deprecation) {
	if !d.IsSet() {
		return
	}
	c.Set("Deprecation", "@"+strconv.FormatInt(d.Since.Unix(), 10))
	if !d.Sunset.IsZero() {
		c.Set("Sunset", d.Sunset.UTC().Format(http.TimeFormat))
	}
	if d.Successor != "" {
		c.Set(fiber.HeaderLink, "<"+withValues(d.Successor, c)+`>; rel="successor-version"`)
	}
}

// withValues fills the parameters of this request into a path pattern.
func withValues(pattern string, c *fiber.Ctx) string {
	for name, value := range c.AllParams() {
		pattern = strings.ReplaceAll(pattern, "{"+name+"}", value)
	}
	return pattern
}

func (e *Edge) respond(c *fiber.Ctx, r route.Route, client netip.Addr) error {
	if r.Service == route.Gateway {
		return c.Next() // to the gateway's own handler
	}
	if r.Reads() { // its body would not be forwarded
		if err := web.CheckNoBody(c, r.BodyLimit); err != nil {
			return err
		}
	}
	path := route.ServicePath(c.Path())
	query, err := canonicalQuery(c, r)
	if err != nil {
		return err
	}
	if r.Cached {
		return e.respondFromCache(c, r, path, query)
	}
	to := forward.Target{Service: r.Service, Path: path, Query: query, BodyLimit: r.BodyLimit, Deadline: r.Deadline, WithToken: r.Need != shop.Anyone}
	if isSlow(c, r) {
		to.Idle = c.App().Config().WriteTimeout
	}
	return e.forward.Forward(c, to, client.String())
}

func (e *Edge) respondFromCache(c *fiber.Ctx, r route.Route, path string, query []byte) error {
	// The request is shared: it continues when the first client disconnects.
	ctx := context.WithoutCancel(c.UserContext())
	response, hit, err := e.cache.Get(path+"?"+string(query), func() (*forward.Response, error) {
		return e.forward.Fetch(ctx, r.Service, path, query, r.Deadline)
	})
	if err != nil {
		return err
	}
	for _, f := range response.Header {
		c.Response().Header.Add(f.Name, f.Value)
	}
	c.Set("X-Cache", map[bool]string{true: "hit", false: "miss"}[hit])
	if hit {
		e.hits.Add(c.UserContext(), 1, metric.WithAttributeSet(e.labels[r.Do]))
	}
	if response.Status == fiber.StatusOK {
		c.Set(fiber.HeaderCacheControl, "public, max-age=1")
	}
	if response.Status == fiber.StatusOK && matchesETag(c.Get(fiber.HeaderIfNoneMatch), response.Get(fiber.HeaderETag)) {
		return c.SendStatus(fiber.StatusNotModified)
	}
	c.Status(response.Status)
	c.Response().SetBodyRaw(response.Body)
	return nil
}
