package web

import (
	"errors"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/fault"
)

// ETagged is an answer that says which state of a thing it shows. Handle sends the tag as ETag, and answers 304 without a
// body to a read whose If-None-Match has it. A tag is of letters, digits and . - only, and another one for each body.
type ETagged interface{ ETag() string }

// ErrPreconditionFailed tells that a thing has changed since the caller read it.
var ErrPreconditionFailed = fault.New(fault.PreconditionFailed, "stale", "it has changed since you read it: read it again")

// IfMatch is the tags of which a change wants one to be the present one (RFC 9110, 13.1.1). Put it into an input with the
// tag header:"If-Match". The zero IfMatch, no header, allows everything.
type IfMatch struct {
	any  bool
	tags []string
}

// UnmarshalText reads the header. It fails on what is no list of entity tags.
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
		case !weak: // a weak tag is never the same in the strong sense
			m.tags = append(m.tags, inner)
		}
	}
	if m.tags == nil && !m.any {
		m.tags = []string{} // only weak ones: nothing matches
	}
	return nil
}

// Check fails with ErrPreconditionFailed unless same says of one of the tags that it is the present one. What exists matches *.
func (m IfMatch) Check(same func(tag string) bool) error {
	if m.any || m.tags == nil {
		return nil
	}
	if slices.ContainsFunc(m.tags, same) {
		return nil
	}
	return ErrPreconditionFailed
}

// unchanged sets the ETag of a tagged answer, and says whether the reader has it already (a weak comparison, 13.1.2).
func unchanged(c *fiber.Ctx, out any) bool {
	tagged, ok := out.(ETagged)
	if !ok || tagged.ETag() == "" {
		return false
	}
	etag := `"` + tagged.ETag() + `"`
	c.Set(fiber.HeaderETag, etag)
	if c.Method() != fiber.MethodGet {
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
