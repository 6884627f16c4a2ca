package route

import (
	"strings"
	"testing"

	"sidecart/kit/shop"
)

func TestTableIsServable(t *testing.T) {
	routes, err := Complete(Table)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range routes {
		if !strings.HasPrefix(r.Path(), Prefix+"/") && !strings.HasPrefix(r.Path(), "/.well-known/") {
			t.Errorf("%s is neither under %s nor well known", r.Do, Prefix)
		}
		if r.BodyLimit != 1<<20 || r.Deadline == 0 {
			t.Errorf("%s has no defaults: %+v", r.Do, r)
		}
		for _, earlier := range routes[:i] {
			if earlier.Method() == r.Method() && shadows(earlier.Path(), r.Path()) {
				t.Errorf("%s is never reached: %s stands before it", r.Do, earlier.Do)
			}
		}
	}
	if got := strings.Join(Services(routes), " "); got != "notifications orders products users" {
		t.Errorf("services: %s", got)
	}
}

// shadows says whether whatever has the path of other has that of pattern, too.
func shadows(pattern, other string) bool {
	ours, theirs := strings.Split(pattern, "/"), strings.Split(other, "/")
	if len(ours) != len(theirs) {
		return false
	}
	for i := range ours {
		if !strings.HasPrefix(ours[i], "{") && ours[i] != theirs[i] {
			return false
		}
	}
	return true
}

func TestCompleteRefuses(t *testing.T) {
	good := Route{Do: "GET /api/v1/x", By: "x", Need: shop.Anyone, Limit: reading}
	for name, table := range map[string][]Route{
		"one route twice":      {good, good},
		"nobody who answers":   {{Do: good.Do, Need: shop.Anyone, Limit: reading}},
		"no permission":        {{Do: good.Do, By: "x", Limit: reading}},
		"no limit":             {{Do: good.Do, By: "x", Need: shop.Anyone}},
		"no path":              {{Do: "GET", By: "x", Need: shop.Anyone, Limit: reading}},
		"a person's own kept":  {{Do: good.Do, By: "x", Need: shop.SignedIn, Limit: reading, Cached: true}},
		"a change that's kept": {{Do: "POST /api/v1/x", By: "x", Need: shop.Anyone, Limit: reading, Cached: true}},
	} {
		if _, err := Complete(table); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPaths(t *testing.T) {
	r := Route{Do: "POST /api/v1/orders/{id}/cancel"}
	if r.Pattern() != "/api/v1/orders/:id/cancel" || ServicePath(r.Path()) != "/orders/{id}/cancel" || ServicePath("/.well-known/jwks.json") != "/.well-known/jwks.json" {
		t.Errorf("%s %s", r.Pattern(), ServicePath(r.Path()))
	}
}
