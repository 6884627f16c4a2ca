package topology

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sidecart/tools/daprgen/access"
	"sidecart/tools/daprgen/source"
)

// TestGeneratedFiles fails when a file that tools/daprgen makes is outdated: which app may call which route of another,
// which secrets an app may read, which topics it may publish and consume, docs/events.md.
func TestGeneratedFiles(t *testing.T) {
	for path, want := range access.Files(t) {
		full := filepath.Join(source.Root(t), filepath.FromSlash(path))
		if have, _ := os.ReadFile(full); string(have) != want { // a file that is missing is stale
			t.Errorf("%s is stale: `make generate` updates it. A new route, call to another service, secret or event is refused by the sidecars until then.\n%s",
				path, difference(string(have), want))
		}
	}
}

// difference are the lines that a file lacks and those that it should not have, without regard to their order.
func difference(have, want string) string {
	count := map[string]int{}
	for line := range strings.Lines(want) {
		count[line]++
	}
	for line := range strings.Lines(have) {
		count[line]--
	}
	var b strings.Builder
	for _, line := range slices.Sorted(maps.Keys(count)) {
		if n := count[line]; n != 0 {
			fmt.Fprintf(&b, "  %+d  %s", n, line)
		}
	}
	return b.String()
}

// TestAccessLists: under Dapr's own rules the lists allow the calls between the services, and no other route.
func TestAccessLists(t *testing.T) {
	needed := map[access.Request]bool{}
	for _, r := range access.Requests(t) {
		needed[r] = true
	}
	if len(needed) < 30 {
		t.Fatalf("only %d requests were found", len(needed))
	}
	lists := access.Policies(t)
	for r := range needed {
		if r.App == r.Caller {
			t.Errorf("%s calls itself: %s", r.Caller, r.Route)
		}
		verb, path := example(r.Route)
		if !newList(lists[r.App][r.Caller]).allows(verb, path) {
			t.Errorf("%s needs %s of %s, and its list would refuse it", r.Caller, r.Route, r.App)
		}
	}
	for app, all := range everyRoute(t) {
		for _, do := range all {
			for _, by := range ids(t) {
				verb, path := example(do)
				if !needed[access.Request{Caller: by, App: app, Route: do}] && newList(lists[app][by]).allows(verb, path) {
					t.Errorf("%s may not call %s %s, and its list would allow it: give that route a path that no entry of dapr/config/%s.yaml is about",
						by, app, do, app)
				}
			}
		}
	}
}

// example is a call of a route: the verb, and the path with values.
func example(do string) (verb, path string) {
	verb, path, _ = strings.Cut(do, " ")
	return verb, strings.ReplaceAll(path, "{}", "01a214a6-1a17-7abd-b5c2-a7e4d76fe56b")
}

// everyRoute are the routes of each app, with those that only its sidecar calls.
func everyRoute(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, call := range source.Calls(t, func(name string) bool { return name == "sidecart/kit/web.Handle" }) {
		if service := source.Service(call.Package); service != "" {
			all[service] = append(all[service], access.AnyValue(call.Text(1)))
		}
	}
	for _, id := range ids(t) {
		all[id] = append(all[id], "GET /dapr/subscribe", "POST /events/dead", "GET /metrics", "POST /job/any", "GET /dapr/config")
		_, consumed := access.EventsOf(t, id)
		for _, topic := range consumed {
			all[id] = append(all[id], "POST /events/"+topic)
		}
	}
	return all
}

// TestOperations shows the entries that routes become, and what Dapr makes of them. Deeper paths than an entry's are
// allowed as well unless another entry matches; TestAccessLists proves that there are no such routes.
func TestOperations(t *testing.T) {
	routes := []string{"GET /orders", "POST /orders", "GET /orders/{}", "POST /orders/{}/cancel", "GET /orders/summary", "GET /orders/summary/days", "GET /.well-known/jwks.json"}
	all := access.Operations(routes)
	want := []access.Operation{
		{Path: "/.well-known/jwks.json", Verbs: []string{"GET"}},
		{Path: "/orders/summary/days", Verbs: []string{"GET"}},
		{Path: "/orders/summary/*", Verbs: []string{"GET"}},
		{Path: "/orders/*", Verbs: []string{"GET", "POST"}},
		{Path: "/orders/**/cancel", Verbs: []string{"POST"}},
	}
	if fmt.Sprint(all) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", all, want)
	}
	list := newList(all)
	for _, do := range routes {
		if verb, path := example(do); !list.allows(verb, path) {
			t.Errorf("%s is refused", do)
		}
	}
	for _, do := range []string{"DELETE /orders", "PATCH /orders/{}", "GET /orders/{}/cancel", "POST /orders/{}/pay", "GET /", "GET /reservations", "POST /orders/summary/days"} {
		if verb, path := example(do); list.allows(verb, path) {
			t.Errorf("%s is allowed", do)
		}
	}
}
