package edge

import (
	"bytes"
	"strings"

	"github.com/gofiber/fiber/v2"

	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// canonicalQuery returns the query in one order and encoding, for a public read without tracking parameters. The
// service gets the same query, so that a cached response belongs to exactly its key, however a client writes the query.
// It fails with ErrMalformed for an invalid escape.
func canonicalQuery(c *fiber.Ctx, r route.Route) ([]byte, error) {
	query := c.Context().URI().QueryString()
	if len(query) == 0 {
		return nil, nil
	}
	if err := web.CheckEscapes(query); err != nil {
		return nil, err
	}
	args := c.Context().QueryArgs()
	if r.Need == shop.Anyone && r.Reads() {
		var tracking []string
		for name := range args.All() {
			if web.IsTracking(string(name)) {
				tracking = append(tracking, string(name))
			}
		}
		for _, name := range tracking {
			args.Del(name)
		}
	}
	args.Sort(bytes.Compare)
	return args.QueryString(), nil
}

// matchesETag reports whether If-None-Match has the entity tag (RFC 9110, 13.1.2: weak comparison).
func matchesETag(ifNoneMatch, tag string) bool {
	if ifNoneMatch == "" || tag == "" {
		return false
	}
	for given := range strings.SplitSeq(ifNoneMatch, ",") {
		given = strings.TrimSpace(given)
		if given == "*" || strings.TrimPrefix(given, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
