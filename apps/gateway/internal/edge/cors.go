package edge

import (
	"slices"

	"github.com/gofiber/fiber/v2"
)

// What a page of an allowed origin may send and read. Tokens travel in a header, so no credentials are allowed.
const (
	corsMethods = "GET, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id, traceparent"
	corsExposed = "Deprecation, ETag, Link, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, Sunset, X-API-Version, X-Request-Id"
)

// cors answers a browser's question whether a page may call (a preflight). A page of an origin that is not configured
// is not told anything about origins at all, and its browser keeps the answers from it.
func (d *Edge) cors(c *fiber.Ctx) error {
	if c.Method() != fiber.MethodOptions || c.Get(fiber.HeaderAccessControlRequestMethod) == "" || !d.mayCall(c.Get(fiber.HeaderOrigin)) {
		return c.Next()
	}
	c.Set(fiber.HeaderAccessControlAllowMethods, corsMethods)
	c.Set(fiber.HeaderAccessControlAllowHeaders, corsHeaders)
	c.Set(fiber.HeaderAccessControlMaxAge, "600")
	return c.SendStatus(fiber.StatusNoContent)
}

// allowOrigin marks an answer as readable by an allowed origin. Caches must tell origins apart wherever some are.
func (d *Edge) allowOrigin(c *fiber.Ctx) {
	if len(d.cfg.Origins) == 0 {
		return
	}
	c.Vary(fiber.HeaderOrigin)
	if origin := c.Get(fiber.HeaderOrigin); d.mayCall(origin) {
		c.Set(fiber.HeaderAccessControlAllowOrigin, origin)
		c.Set(fiber.HeaderAccessControlExposeHeaders, corsExposed)
	}
}

func (d *Edge) mayCall(origin string) bool {
	return origin != "" && slices.Contains(d.cfg.Origins, origin)
}
