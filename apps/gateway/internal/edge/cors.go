package edge

import (
	"slices"

	"github.com/gofiber/fiber/v2"
)

// What a page of an allowed origin may send and read. Tokens travel in a header, so no credentials are allowed.
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Cache-Control, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id, " +
		"baggage, traceparent, tracestate"
	corsExposed = "Allow, Content-Disposition, Deprecation, ETag, Link, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, " +
		"Retry-After, Sunset, WWW-Authenticate, X-API-Version, X-Cache, X-Request-Id, traceparent"
)

// cors responds to preflight requests of configured origins. Others get no CORS headers, so that the browser blocks
// them.
func (e *Edge) cors(c *fiber.Ctx) error {
	if c.Method() != fiber.MethodOptions || c.Get(fiber.HeaderAccessControlRequestMethod) == "" || !e.mayCall(c.Get(fiber.HeaderOrigin)) {
		return c.Next()
	}
	c.Set(fiber.HeaderAccessControlAllowMethods, corsMethods)
	c.Set(fiber.HeaderAccessControlAllowHeaders, corsHeaders)
	c.Set(fiber.HeaderAccessControlMaxAge, "600")
	return c.SendStatus(fiber.StatusNoContent)
}

// allowOrigin lets a configured origin read the response. With any configured, responses vary by origin.
func (e *Edge) allowOrigin(c *fiber.Ctx) {
	if len(e.cfg.Origins) == 0 {
		return
	}
	c.Vary(fiber.HeaderOrigin)
	if origin := c.Get(fiber.HeaderOrigin); e.mayCall(origin) {
		c.Set(fiber.HeaderAccessControlAllowOrigin, origin)
		c.Set(fiber.HeaderAccessControlExposeHeaders, corsExposed)
	}
}

func (e *Edge) mayCall(origin string) bool {
	return origin != "" && slices.Contains(e.cfg.Origins, origin)
}
