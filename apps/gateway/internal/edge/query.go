package edge

import (
	"bytes"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// canonicalQuery returns the query in one order and encoding. The service gets the same query, so that a cached
// response belongs to exactly its key, however a client writes the query.
func canonicalQuery(c *fiber.Ctx) []byte {
	if len(c.Context().URI().QueryString()) == 0 {
		return nil
	}
	args := c.Context().QueryArgs()
	args.Sort(bytes.Compare)
	return args.QueryString()
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
