package route

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sidecart/kit/shop"
)

func TestTableIsServable(t *testing.T) {
	reversed := slices.Clone(Table) // the order in which they are written does not matter
	slices.Reverse(reversed)
	routes, err := Complete(reversed)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range routes {
		if !strings.HasPrefix(r.Path(), first+"/") && !strings.HasPrefix(r.Path(), second+"/") && !strings.HasPrefix(r.Path(), "/.well-known/") {
			t.Errorf("%s is neither under %s or %s nor well known", r.Do, first, second)
		}
		if d := r.Deprecated; d.IsSet() && !slices.ContainsFunc(routes, func(o Route) bool { return o.Do == r.Method()+" "+d.Successor }) {
			t.Errorf("%s has a successor that does not exist: %s", r.Do, d.Successor)
		}
		if r.BodyLimit < 1<<20 {
			t.Errorf("%s has no defaults: %+v", r.Do, r)
		}
		if r.BodyLimit > defaultBodyLimit && r.Need == shop.Anyone {
			t.Errorf("%s takes large bodies from anyone", r.Do)
		}
		for _, earlier := range routes[:i] {
			if earlier.Method() == r.Method() && shadows(earlier.Path(), r.Path()) {
				t.Errorf("%s is never reached: %s precedes it", r.Do, earlier.Do)
			}
		}
	}
	if got := strings.Join(Services(routes), " "); got != "notifications orders products users" {
		t.Errorf("services: %s", got)
	}
}

// TestDeadlines: reads have 3 s and writes 9 s, except for files.
func TestDeadlines(t *testing.T) {
	files := regexp.MustCompile("import$|export$|images$|images/{image_id}$")
	routes, err := Complete(Table)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		most := map[bool]time.Duration{true: 3 * time.Second, false: 9 * time.Second}[r.Reads()]
		if r.Deadline != most && !files.MatchString(r.Path()) {
			t.Errorf("%s may take %s", r.Do, r.Deadline)
		}
	}
}

// shadows reports whether every path that matches other also matches pattern.
func shadows(pattern, other string) bool {
	parts, others := strings.Split(pattern, "/"), strings.Split(other, "/")
	if len(parts) != len(others) {
		return false
	}
	for i := range parts {
		if !strings.HasPrefix(parts[i], "{") && parts[i] != others[i] {
			return false
		}
	}
	return true
}

func TestCompleteRefuses(t *testing.T) {
	valid := Route{Do: "GET /api/v1/x", Service: "x", Need: shop.Anyone, Limit: reading}
	for name, table := range map[string][]Route{
		"one route twice":  {valid, valid},
		"no service":       {{Do: valid.Do, Need: shop.Anyone, Limit: reading}},
		"no permission":    {{Do: valid.Do, Service: "x", Limit: reading}},
		"no limit":         {{Do: valid.Do, Service: "x", Need: shop.Anyone}},
		"no path":          {{Do: "GET", Service: "x", Need: shop.Anyone, Limit: reading}},
		"cached per user":  {{Do: valid.Do, Service: "x", Need: shop.SignedIn, Limit: reading, Cached: true}},
		"an end before it": {{Do: valid.Do, Service: "x", Need: shop.Anyone, Limit: reading, Deprecated: Deprecation{Since: day("2027-01-02"), Sunset: day("2027-01-01")}}},
		"a cached change":  {{Do: "POST /api/v1/x", Service: "x", Need: shop.Anyone, Limit: reading, Cached: true}},
	} {
		if _, err := Complete(table); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPaths(t *testing.T) {
	r := Route{Do: "POST /api/v1/orders/{id}/cancel"}
	if r.Pattern() != "/api/v1/orders/:id/cancel" {
		t.Error(r.Pattern())
	}
	for public, want := range map[string][2]string{
		"/api/v1/orders/{id}/cancel": {"/orders/{id}/cancel", "1"}, "/api/v2/orders/7": {"/v2/orders/7", "2"}, "/.well-known/jwks.json": {"/.well-known/jwks.json", "1"},
	} {
		if got := [2]string{ServicePath(public), Version(public)}; got != want {
			t.Errorf("%s: %v", public, got)
		}
	}
}

// TestStrictLimits: what can be guessed at, costs a hash or sends a mail has a strict limit.
func TestStrictLimits(t *testing.T) {
	found := 0
	for _, r := range Table {
		if r.Need != shop.Anyone || !strings.HasPrefix(r.Path(), first+"/auth/") || r.Path() == first+"/auth/refresh" {
			continue
		}
		found++
		if r.Limit.PerMinute > 20 {
			t.Errorf("%s: %d a minute", r.Do, r.Limit.PerMinute)
		}
	}
	if found < 6 {
		t.Errorf("only %d such routes were found", found)
	}
}
