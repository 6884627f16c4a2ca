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
func New(cfg Config, routes []route.Route, verify web.Verify, limiter *limit.Limiter, answers *cache.Cache, to *forward.Forwarder) *Edge {
	d := &Edge{cfg: cfg, routes: routes, labels: map[string]attribute.Set{}, verify: verify, limiter: limiter, cache: answers, forward: to}
	d.hits, _ = otel.Meter("sidecart/apps/gateway/edge").Int64Counter("gateway.cache.hits") // fails only for an invalid name
	for _, r := range routes {
		d.labels[r.Do] = attribute.NewSet(attribute.String("http.request.method", r.Method()), attribute.String("http.route", r.Pattern()))
	}
	return d
}

// Open adds to an app the checks that precede every route, and the routes.
func (d *Edge) Open(app *web.App) {
	checkMethod(app)
	app.Use(d.setSecurityHeaders, checkHead, d.checkHost, d.cors, checkPath)
	for _, r := range d.routes {
		if r.Reads() {
			app.Get(r.Pattern(), d.serve(r)) // and HEAD
		} else {
			app.Add(r.Method(), r.Pattern(), d.serve(r))
		}
	}
}

// LimitOthers gives all routes that are added after it, and unknown paths, one common limit per address.
func (d *Edge) LimitOthers(app *web.App) {
	app.Use(func(c *fiber.Ctx) error {
		counted, err := d.count(c, "other", route.Others, shop.Caller{}, d.client(c))
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
func (d *Edge) serve(r route.Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		client := d.client(c)
		who, refusal := d.caller(c, r.Need)
		counted, err := d.count(c, r.Do, r.Limit, who, client)
		if err == nil {
			err = refusal
		}
		if err == nil {
			if isSlow(c, r) {
				// A slow route may also take long to receive, once its caller is authorised.
				err = c.Context().SetReadDeadline(time.Now().Add(r.Deadline))
			}
		}
		if err == nil {
			err = d.respond(c, r, client)
		}
		setLimitHeaders(c, counted)
		setDeprecationHeaders(c, r.Deprecated)
		return err
	}
}

// isSlow reports whether a route's deadline exceeds the server's timeout of other requests.
func isSlow(c *fiber.Ctx, r route.Route) bool { return r.Deadline > c.App().Config().ReadTimeout }

// caller verifies the token, if the route needs one. It fails with a fault if the caller lacks the permission.
func (d *Edge) caller(c *fiber.Ctx, need shop.Permission) (shop.Caller, error) {
	if need == shop.Anyone {
		return shop.Caller{}, nil
	}
	token, err := web.BearerToken(c)
	if err != nil {
		return shop.Caller{}, err
	}
	who, err := d.verify(c.UserContext(), token)
	if err != nil {
		return shop.Caller{}, err
	}
	if !who.May(need) {
		return who, errForbidden
	}
	return who, nil
}

var errLimited = fault.New(fault.Limited, "rate_limited", "too many requests; try again later")

func (d *Edge) count(c *fiber.Ctx, what string, most route.Limit, who shop.Caller, client netip.Addr) (limit.Decision, error) {
	name := "address " + limitGroup(client)
	if who.Known() {
		name = "user " + who.ID.String()
	}
	counted := d.limiter.Take(c.UserContext(), what, name, most.PerMinute)
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
	if !d.Is() {
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

func (d *Edge) respond(c *fiber.Ctx, r route.Route, client netip.Addr) error {
	if r.By == route.Here {
		return c.Next() // to the gateway's own handler
	}
	path := route.ServicePath(c.Path())
	if r.Cached {
		return d.respondFromCache(c, r, path)
	}
	to := forward.Target{Service: r.By, Path: path, BodyLimit: r.BodyLimit, Deadline: r.Deadline, WithToken: r.Need != shop.Anyone}
	if isSlow(c, r) {
		to.Idle = c.App().Config().WriteTimeout
	}
	return d.forward.Forward(c, to, client.String())
}

func (d *Edge) respondFromCache(c *fiber.Ctx, r route.Route, path string) error {
	query := canonicalQuery(c)
	// The request is shared: it goes on when the first client disconnects.
	ctx := context.WithoutCancel(c.UserContext())
	answer, hit, err := d.cache.Get(path+"?"+string(query), func() (*forward.Response, error) {
		return d.forward.Fetch(ctx, r.By, path, query, r.Deadline)
	})
	if err != nil {
		return err
	}
	for _, f := range answer.Header {
		c.Response().Header.Add(f.Name, f.Value)
	}
	c.Set("X-Cache", map[bool]string{true: "hit", false: "miss"}[hit])
	if hit {
		d.hits.Add(c.UserContext(), 1, metric.WithAttributeSet(d.labels[r.Do]))
	}
	if answer.Status == fiber.StatusOK {
		c.Set(fiber.HeaderCacheControl, "public, max-age=1")
	}
	if answer.Status == fiber.StatusOK && matchesETag(c.Get(fiber.HeaderIfNoneMatch), answer.Get(fiber.HeaderETag)) {
		return c.SendStatus(fiber.StatusNotModified)
	}
	c.Status(answer.Status)
	c.Response().SetBodyRaw(answer.Body)
	return nil
}
