package web

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/shop"
)

// Rank orders paths that match the same request: the smallest serves it. At the first segment in which two paths differ
// in kind, text comes before a parameter. The order in which routes are declared does not matter.
func Rank(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = "0"
		if strings.Contains(segment, "{") {
			segments[i] = "1"
		}
	}
	return strings.Join(segments, "")
}

// overlap reports whether a request can match both paths.
func overlap(a, b string) bool {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	if len(as) != len(bs) {
		return false
	}
	for i := range as {
		if as[i] != bs[i] && !strings.Contains(as[i]+bs[i], "{") {
			return false
		}
	}
	return true
}

// declare adds a route. Fiber tries routes in the order in which they were added, so an earlier route defers to later
// ones of a smaller rank. It panics on an operationId that is taken and on an unknown tag.
func (app *App) declare(op *operation) {
	isTag := func(t shop.Tag) bool { return t.Name == op.tag }
	if op.id != "" && !slices.ContainsFunc(shop.Tags, isTag) {
		panic(fmt.Sprintf("web: %s %s has an unknown tag %q", op.method, op.path, op.tag))
	}
	for _, earlier := range app.routes {
		if op.id != "" && op.id == earlier.id {
			panic(fmt.Sprintf("web: two routes have the operationId %s", op.id))
		}
		if earlier.method == op.method && overlap(earlier.path, op.path) && Rank(op.path) < Rank(earlier.path) {
			earlier.deferTo = append(earlier.deferTo, op.fiberPath)
		}
	}
	app.routes = append(app.routes, op)
}

// deferred reports whether a request is for a route that op defers to.
func (op *operation) deferred(c *fiber.Ctx) bool {
	return slices.ContainsFunc(op.deferTo, func(pattern string) bool {
		return fiber.RoutePatternMatch(c.Path(), pattern, c.App().Config())
	})
}
