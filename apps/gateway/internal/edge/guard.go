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
	errMisdirected = fault.New(fault.Misdirected, "misdirected", "this server does not serve that host")
	errNoRoute     = fault.New(fault.NotFound, "no_such_route", "no such path")
	errMethod      = fault.New(fault.NotAllowed, "method_not_allowed", "this path does not support the method")
	errHead        = fault.ErrMalformed.WithMessage("a header line must end with CR LF and must not be folded")
	errTwoLengths  = fault.ErrMalformed.WithMessage("Content-Length and Transfer-Encoding exclude each other")
)

// The API's responses are data: a browser that shows one runs and loads nothing.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// setSecurityHeaders sets the security headers and the API's version on every response, also of errors.
func (e *Edge) setSecurityHeaders(c *fiber.Ctx) error {
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
	e.allowOrigin(c)
	return err
}

// checkHost refuses unknown host names, which prevents DNS rebinding. Probes of an orchestrator or sidecar use the IP
// address that they connect to as host; they are allowed for the public health.
func (e *Edge) checkHost(c *fiber.Ctx) error {
	host := hostname(string(c.Request().Header.Host()))
	if slices.Contains(e.cfg.Hosts, host) {
		return c.Next()
	}
	if path := c.Path(); path == "/health" || path == "/health/ready" {
		if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && addr == addrOf(c.Context().LocalAddr()) {
			return c.Next()
		}
	}
	return errMisdirected
}

// hostname returns a Host header without port, in lower case.
func hostname(host string) string {
	host = strings.ToLower(host)
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		return host[:end+1]
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}

// maxPathLength is the maximum length of a path in bytes.
const maxPathLength = 1024

// checkPath refuses paths that proxies, sidecars and services could parse differently: escapes, empty segments, "." and
// "..", and anything but letters, digits and - . _ ~. No route needs more. It checks the request line itself, before
// any normalisation.
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

// checkHead refuses headers that allow request smuggling, because a proxy and this server could parse them differently:
// a line that ends without CR, a folded line, and a body with two lengths.
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

// checkMethod replaces a method that Fiber does not know by TRACE, which no route has: Fiber would respond itself, as
// plain text without security headers.
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

// NoRoute responds to requests without a route: 405 with Allow if the path has other methods, else 404.
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
