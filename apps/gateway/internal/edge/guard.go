package edge

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"sidecart/apps/gateway/internal/page"
	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/fault"
	"sidecart/kit/web"
)

var (
	errMisdirected = fault.New(fault.Misdirected, "misdirected", "this server does not answer for that host")
	errNoRoute     = fault.New(fault.NotFound, "no_such_route", "no such path")
	errMethod      = fault.New(fault.NotAllowed, "method_not_allowed", "this path does not support the method")
	errHead        = fault.ErrMalformed.WithMessage("a line of the head does not end as it should, or goes on in the next")
	errTwoLengths  = fault.ErrMalformed.WithMessage("a body has a Content-Length or a Transfer-Encoding, not both")
)

// The API's answers are data: a browser that is made to show one must run nothing and load nothing.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// setSecurityHeaders adds the security headers, and the API's version, to every answer, errors among them.
func (d *Edge) setSecurityHeaders(c *fiber.Ctx) error {
	err := c.Next()
	policy := apiPolicy
	switch path := c.Path(); {
	case path == "/docs" || strings.HasPrefix(path, "/docs/"):
		policy = web.DocsPolicy
	case page.Has(path):
		policy = page.Policy
	}
	h := &c.Response().Header
	h.Set(fiber.HeaderContentSecurityPolicy, policy)
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	h.Set(fiber.HeaderXFrameOptions, "DENY")
	h.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	h.Set("X-API-Version", route.Version(c.Path()))
	d.allowOrigin(c)
	return err
}

// checkHost refuses names that are not the platform's, so that a page that has its own name point here (DNS
// rebinding) gets nothing. Probes of an orchestrator and of the sidecar use the address they connect to, which no
// name can point a browser's Host at; they are let through to the health that tells nothing of anybody.
func (d *Edge) checkHost(c *fiber.Ctx) error {
	host := hostname(string(c.Request().Header.Host()))
	if slices.Contains(d.cfg.Hosts, host) {
		return c.Next()
	}
	if path := c.Path(); path == "/health" || path == "/health/ready" {
		if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && addr == addrOf(c.Context().LocalAddr()) {
			return c.Next()
		}
	}
	return errMisdirected
}

// hostname is a Host without its port, in small letters.
func hostname(host string) string {
	host = strings.ToLower(host)
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		return host[:end+1]
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}

// maxPathLength is in bytes.
const maxPathLength = 1024

// checkPath lets through only paths that can be read in one way: no escapes, no empty segments, no dots that walk,
// nothing but letters, digits and - . _ ~. No route needs more, and what a proxy, a sidecar and a service could read
// differently never reaches them. It looks at the request line itself, before anything has cleaned it.
func checkPath(c *fiber.Ctx) error {
	path, _, _ := bytes.Cut(c.Request().Header.RequestURI(), []byte{'?'})
	if !isPlain(path) {
		return errNoRoute
	}
	return c.Next()
}

func isPlain(path []byte) bool {
	if len(path) == 0 || len(path) > maxPathLength || path[0] != '/' {
		return false
	}
	for _, ch := range path {
		letter := ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch >= '0' && ch <= '9'
		if !letter && !bytes.ContainsRune([]byte("/-._~"), rune(ch)) {
			return false
		}
	}
	return !bytes.Contains(path, []byte("//")) && !bytes.Contains(path, []byte("/./")) && !bytes.Contains(path, []byte("/../")) &&
		!bytes.HasSuffix(path, []byte("/.")) && !bytes.HasSuffix(path, []byte("/.."))
}

// checkHead refuses heads that two readers could take for two requests: a line that ends without CR, one that goes on
// from the line before it, and a body that says in two ways how long it is. The server would decide for one reading;
// whatever stands before us may have decided for the other.
func checkHead(c *fiber.Ctx) error {
	length, coding := false, false
	for line := range bytes.Lines(c.Request().Header.RawHeaders()) {
		name, _, _ := bytes.Cut(line, []byte{':'})
		length = length || bytes.EqualFold(name, []byte(fiber.HeaderContentLength))
		coding = coding || bytes.EqualFold(name, []byte(fiber.HeaderTransferEncoding))
		if line[0] == ' ' || line[0] == '\t' || bytes.HasSuffix(line, []byte{'\n'}) && !bytes.HasSuffix(line, []byte("\r\n")) {
			c.Context().SetConnectionClose()
			return errHead
		}
	}
	if length && coding {
		c.Context().SetConnectionClose()
		return errTwoLengths
	}
	return c.Next()
}

// checkMethod makes a method that Fiber does not know one that no route takes: Fiber would answer it by itself, in
// plain text and undressed.
func checkMethod(app *web.App) {
	server := app.Server()
	known, serve := app.Config().RequestMethods, server.Handler
	server.Handler = func(c *fasthttp.RequestCtx) {
		if !slices.Contains(known, string(c.Method())) {
			c.Request.Header.SetMethod(fiber.MethodTrace)
		}
		serve(c)
	}
}

// NoRoute answers what no route before it did: 405 with Allow where another method would do, else 404.
func NoRoute(app *web.App) {
	routes := app.GetRoutes(true)
	exact := fiber.Config{CaseSensitive: true, StrictRouting: true}
	app.Use(func(c *fiber.Ctx) error {
		var allowed []string
		for _, r := range routes {
			if fiber.RoutePatternMatch(c.Path(), r.Path, exact) {
				allowed = append(allowed, r.Method)
			}
		}
		if len(allowed) == 0 {
			return errNoRoute
		}
		slices.Sort(allowed)
		c.Set(fiber.HeaderAllow, strings.Join(slices.Compact(allowed), ", "))
		return errMethod
	})
}
