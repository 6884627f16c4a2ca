package topology

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/tests/source"
)

// made tells whoever reads a file that a program wrote it.
const made = "made by `make generate` from the code"

// TestSidecarFiles fails when what the sidecars are allowed is not what the code does: who may call which route of whom,
// which secrets an app may read, which topics it may publish and hear. -update writes the files anew.
func TestSidecarFiles(t *testing.T) {
	files := map[string]string{}
	for _, id := range ids(t) {
		files["dapr/config/"+id+".yaml"] = configuration(t, id)
	}
	for _, path := range source.Files(t) {
		if strings.HasPrefix(path, "components/") && isYAML(path) && strings.Contains(source.Read(t, path), "\n  type: pubsub.") &&
			!strings.HasSuffix(path, "/broadcast.yaml") { // which has one topic, and says so itself
			files[path] = withTopics(t, path)
		}
	}
	for path, want := range files {
		full := filepath.Join(source.Root(t), filepath.FromSlash(path))
		if *update {
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil { //nolint:gosec // a folder of the repository
				t.Fatal(err)
			}
			if err := os.WriteFile(full, []byte(want), 0o644); err != nil { //nolint:gosec // for everybody
				t.Fatal(err)
			}
			continue
		}
		if have, _ := os.ReadFile(full); string(have) != want { // a file that is missing is stale
			t.Errorf("%s is stale: `make generate` writes it anew. A new route, question to another service, secret or event is refused by the sidecars until then.\n%s",
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

// configuration is the configuration of one app's sidecar.
func configuration(t *testing.T, id string) string {
	t.Helper()
	_, common, ok := strings.Cut(source.Read(t, "dapr/config.yaml"), "\napiVersion:")
	if !ok || !strings.Contains(common, "\n  name: sidecart\n") {
		t.Fatal("dapr/config.yaml is not a configuration named sidecart")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# The sidecar of %s. Its last two parts are %s,\n# and so is the copy of dapr/config.yaml before them: change those, not this.\napiVersion:", id, made)
	b.WriteString(strings.NewReplacer("\n  name: sidecart\n", "\n  name: "+id+"\n", "- name: ratelimit-sidecart\n", "- name: ratelimit-"+id+"\n").Replace(common))
	b.WriteString(accessControl(policies(t)[id]))
	fmt.Fprintf(&b, "\n  # The secrets that the app may read.\n  secrets:\n    scopes:\n      - storeName: secrets\n        defaultAccess: deny\n        allowedSecrets: [%s]\n",
		strings.Join(secretsOf(t)[id], ", "))
	return b.String()
}

// policies are the access lists of each app, by caller.
func policies(t *testing.T) map[string]map[string][]operation {
	t.Helper()
	routes := map[[2]string][]string{}
	for _, r := range requests(t) {
		key := [2]string{r.of, r.by}
		routes[key] = append(routes[key], r.do)
	}
	all := map[string]map[string][]operation{}
	for key, list := range routes {
		if all[key[0]] == nil {
			all[key[0]] = map[string][]operation{}
		}
		all[key[0]][key[1]] = operations(list)
	}
	return all
}

func accessControl(by map[string][]operation) string {
	var b strings.Builder
	b.WriteString(`
  # Who may call which route of this app. Everybody else, and everything else, is refused. An entry that ends in /* is the
  # path before it and one segment more.
  accessControl:
    defaultAction: deny
    trustDomain: public
`)
	if len(by) > 0 {
		b.WriteString("    policies:\n")
	}
	for _, caller := range slices.Sorted(maps.Keys(by)) {
		fmt.Fprintf(&b, "      - appId: %s\n        defaultAction: deny\n        trustDomain: public\n        namespace: default\n        operations:\n", caller)
		for _, o := range by[caller] {
			fmt.Fprintf(&b, "          - name: %s\n            httpVerb: [%s]\n            action: allow\n", o.path, strings.Join(o.verbs, ", "))
		}
	}
	return b.String()
}

// secretsOf are the secrets that each service's code asks its sidecar for.
func secretsOf(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, call := range source.Calls(t, readsSecret) {
		service := source.Service(call.Package)
		if call.Package.PkgPath == servicePath {
			continue // OpenDatabase, whose callers name it
		}
		if service == "" {
			t.Errorf("%s: a secret is read in kit; read it in the main of the service, where it can be seen whose it is", call.At())
			continue
		}
		found[service] = append(found[service], call.Text(1))
	}
	for service := range found {
		slices.Sort(found[service])
		found[service] = slices.Compact(found[service])
	}
	return found
}

var topicsPart = regexp.MustCompile(`(?s)    # topics: begin[^\n]*\n.*?    # topics: end\n`)

// withTopics is the file of a broker with its topics and who may publish and hear which.
func withTopics(t *testing.T, path string) string {
	t.Helper()
	text := source.Read(t, path)
	if !topicsPart.MatchString(text) {
		t.Fatalf("%s has no part between the lines \"# topics: begin\" and \"# topics: end\"", path)
	}
	published, heard := topics(t)
	every := map[string]bool{}
	for _, by := range []map[string][]string{published, heard} {
		for _, list := range by {
			for _, topic := range list {
				every[topic] = true
			}
		}
	}
	all := strings.Join(slices.Sorted(maps.Keys(every)), ",\n        ")
	var b strings.Builder
	fmt.Fprintf(&b, "    # topics: begin (%s)\n", made)
	b.WriteString("    # There are no others, and none is for an app that is not named with it.\n")
	fmt.Fprintf(&b, "    - name: allowedTopics\n      value: >-\n        %s\n", all)
	fmt.Fprintf(&b, "    - name: protectedTopics\n      value: >-\n        %s\n", all)
	fmt.Fprintf(&b, "    - name: publishingScopes\n      value: >-\n        %s\n", scopes(published))
	fmt.Fprintf(&b, "    - name: subscriptionScopes\n      value: >-\n        %s\n", scopes(heard))
	b.WriteString("    # topics: end\n")
	return topicsPart.ReplaceAllLiteralString(text, b.String())
}

func scopes(by map[string][]string) string {
	var all []string
	for _, app := range slices.Sorted(maps.Keys(by)) {
		all = append(all, app+"="+strings.Join(by[app], ",\n        "))
	}
	return strings.Join(all, ";\n        ")
}

// topics are what each app publishes and hears. A hearer's sidecar publishes what it could not deliver, and a service with an
// outbox probes the broker.
func topics(t *testing.T) (published, heard map[string][]string) {
	t.Helper()
	published, heard = map[string][]string{}, map[string][]string{}
	for _, entry := range shop.Catalogue {
		published[entry.Teller] = append(published[entry.Teller], entry.Event.Topic())
	}
	for _, call := range source.Calls(t, func(name string) bool { return name == "(*"+servicePath+".Service).NewHub" }) {
		app := source.Service(call.Package)
		published[app] = append(published[app], app+".dead")
		_, topics := eventsOf(t, app)
		heard[app] = append(topics, app+".dead")
	}
	for _, call := range source.Calls(t, func(name string) bool { return name == "(*"+servicePath+".Service).OpenDatabase" }) {
		published[source.Service(call.Package)] = append(published[source.Service(call.Package)], sidecar.ProbeTopic)
	}
	for _, by := range []map[string][]string{published, heard} {
		for app := range by {
			slices.Sort(by[app])
			by[app] = slices.Compact(by[app])
		}
	}
	return published, heard
}

// TestAccessLists: under Dapr's own rules the lists let through what the services ask of one another, and no other route.
func TestAccessLists(t *testing.T) {
	needed := map[request]bool{}
	for _, r := range requests(t) {
		needed[r] = true
	}
	if len(needed) < 30 {
		t.Fatalf("only %d requests were found", len(needed))
	}
	lists := policies(t)
	for r := range needed {
		if r.of == r.by {
			t.Errorf("%s asks itself for %s", r.by, r.do)
		}
		verb, path := example(r.do)
		if !newList(lists[r.of][r.by]).allows(verb, path) {
			t.Errorf("%s needs %s of %s, and its list would refuse it", r.by, r.do, r.of)
		}
	}
	for app, all := range everyRoute(t) {
		for _, do := range all {
			for _, by := range ids(t) {
				verb, path := example(do)
				if !needed[request{by, app, do}] && newList(lists[app][by]).allows(verb, path) {
					t.Errorf("%s may not ask %s for %s, and its list would let it: give that route a path that no entry of dapr/config/%s.yaml is about",
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
			all[service] = append(all[service], anyValue(call.Text(1)))
		}
	}
	for _, id := range ids(t) {
		all[id] = append(all[id], "GET /dapr/subscribe", "POST /events/dead", "GET /metrics", "POST /job/any", "GET /dapr/config")
		_, heard := eventsOf(t, id)
		for _, topic := range heard {
			all[id] = append(all[id], "POST /events/"+topic)
		}
	}
	return all
}

// TestOperations shows the entries that routes become, and what Dapr makes of them. What is below the end of a path is let
// through as well, if no entry is about it; TestAccessLists sees to it that there is nothing.
func TestOperations(t *testing.T) {
	routes := []string{"GET /orders", "POST /orders", "GET /orders/{}", "POST /orders/{}/cancel", "GET /orders/summary", "GET /orders/summary/days", "GET /.well-known/jwks.json"}
	all := operations(routes)
	want := []operation{
		{"/.well-known/jwks.json", []string{"GET"}},
		{"/orders/summary/days", []string{"GET"}},
		{"/orders/summary/*", []string{"GET"}},
		{"/orders/*", []string{"GET", "POST"}},
		{"/orders/**/cancel", []string{"POST"}},
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
			t.Errorf("%s is let through", do)
		}
	}
}
