package web

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/shop"
)

// Rank orders routes that match the same request: the smaller one takes it. At the first segment in which two paths
// differ in kind, text comes before a parameter; in which order routes were declared does not matter.
func Rank(path string) string {
	var rank strings.Builder
	for segment := range strings.SplitSeq(path, "/") {
		if strings.Contains(segment, "{") {
			rank.WriteByte('1')
		} else {
			rank.WriteByte('0')
		}
	}
	return rank.String()
}

// overlap says whether a request can match both paths.
func overlap(a, b string) bool {
	ours, theirs := strings.Split(a, "/"), strings.Split(b, "/")
	if len(ours) != len(theirs) {
		return false
	}
	for i := range ours {
		if ours[i] != theirs[i] && !strings.Contains(ours[i]+theirs[i], "{") {
			return false
		}
	}
	return true
}

// declare adds a route. Fiber tries routes in the order in which they were added, so an earlier one yields to those
// after it that have a smaller rank.
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
			earlier.yields = append(earlier.yields, op.fiberPath)
		}
	}
	app.routes = append(app.routes, op)
}

// yield says whether a request is for one of the routes that op yields to.
func (op *operation) yield(c *fiber.Ctx) bool {
	for _, pattern := range op.yields {
		if fiber.RoutePatternMatch(c.Path(), pattern, c.App().Config()) {
			return true
		}
	}
	return false
}
