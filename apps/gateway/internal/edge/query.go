package edge

import (
	"bytes"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// canonicalQuery is the query in one order and one encoding. It is what the service is asked, too: an answer is kept under
// exactly the question it belongs to, however a client writes it.
func canonicalQuery(c *fiber.Ctx) []byte {
	if len(c.Context().URI().QueryString()) == 0 {
		return nil
	}
	args := c.Context().QueryArgs()
	args.Sort(bytes.Compare)
	return args.QueryString()
}

// matchesETag says whether a client has what the entity tag stands for (RFC 9110, 13.1.2: a weak comparison).
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
