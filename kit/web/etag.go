package web

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/fault"
)

// ETagged is a response with an entity tag. Handle sends the tag as ETag, and responds to a GET whose If-None-Match has
// it with 304 and no body. A tag consists of letters, digits, . and -, and differs for different bodies.
type ETagged interface{ ETag() string }

// ErrPreconditionFailed is the failure of a change whose If-Match has no current tag.
var ErrPreconditionFailed = fault.New(fault.PreconditionFailed, "stale", "it has changed since you read it; read it again")

// IfMatch is the tags of which one must be current for a change to be made (RFC 9110, 13.1.1). It is a field of an
// input with the tag header:"If-Match". The zero IfMatch, no header, matches everything.
type IfMatch struct {
	any  bool
	tags []string
}

// UnmarshalText parses the header. It fails unless it is a list of entity tags.
func (m *IfMatch) UnmarshalText(text []byte) error {
	for tag := range strings.SplitSeq(string(text), ",") {
		tag = strings.TrimSpace(tag)
		weak := strings.HasPrefix(tag, "W/")
		inner, quoted := strings.CutPrefix(strings.TrimPrefix(tag, "W/"), `"`)
		inner, ended := strings.CutSuffix(inner, `"`)
		switch {
		case tag == "*":
			m.any = true
		case !quoted || !ended || strings.Contains(inner, `"`):
			return errors.New(`must be entity tags like "7", or *`)
		case !weak: // a weak tag never matches in a strong comparison
			m.tags = append(m.tags, inner)
		}
	}
	if m.tags == nil && !m.any {
		m.tags = []string{} // only weak tags: nothing matches
	}
	return nil
}

// Check fails with ErrPreconditionFailed unless one of the tags is the current version, optionally followed by - and
// more, which is ignored. Every version matches *.
func (m IfMatch) Check(version int) error {
	current := func(tag string) bool {
		given, _, _ := strings.Cut(tag, "-")
		return given == strconv.Itoa(version)
	}
	if m.any || m.tags == nil || slices.ContainsFunc(m.tags, current) {
		return nil
	}
	return ErrPreconditionFailed
}

// notModified sets the ETag of a response, and reports whether the client has it already (weak comparison, 13.1.2).
func notModified(c *fiber.Ctx, out any) bool {
	tagged, ok := out.(ETagged)
	if !ok || tagged.ETag() == "" {
		return false
	}
	etag := `"` + tagged.ETag() + `"`
	c.Set(fiber.HeaderETag, etag)
	if c.Method() != fiber.MethodGet && c.Method() != fiber.MethodHead {
		return false
	}
	for given := range strings.SplitSeq(c.Get(fiber.HeaderIfNoneMatch), ",") {
		given = strings.TrimSpace(given)
		if given == "*" || strings.TrimPrefix(given, "W/") == etag {
			return true
		}
	}
	return false
}
