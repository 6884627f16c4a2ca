package access

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/tools/daprgen/source"
)

// generated marks generated files.
const generated = "generated from the code by `make generate`"

// Files are all generated files, by their paths from the root.
func Files(t source.T) map[string]string {
	t.Helper()
	files := map[string]string{"docs/events.md": eventsDocument(t)}
	for _, id := range IDs(t) {
		files["dapr/config/"+id+".yaml"] = configuration(t, id)
	}
	for _, path := range source.Files(t) {
		component := strings.HasPrefix(path, "components/") && strings.HasSuffix(path, ".yaml")
		if !component || strings.HasSuffix(path, "/broadcast.yaml") { // which has one topic, and names it itself
			continue
		}
		if strings.Contains(source.Read(t, path), "\n  type: pubsub.") {
			files[path] = withTopics(t, path)
		}
	}
	return files
}

// configuration is the configuration of one app's sidecar.
func configuration(t source.T, id string) string {
	t.Helper()
	_, common, ok := strings.Cut(source.Read(t, "dapr/config.yaml"), "\napiVersion:")
	if !ok || !strings.Contains(common, "\n  name: sidecart\n") {
		t.Fatalf("dapr/config.yaml is not a configuration named sidecart")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# The sidecar of %s, %s and dapr/config.yaml.\napiVersion:", id, generated)
	b.WriteString(strings.NewReplacer("\n  name: sidecart\n", "\n  name: "+id+"\n",
		"- name: ratelimit-sidecart\n", "- name: ratelimit-"+id+"\n").Replace(common))
	b.WriteString(accessControl(Policies(t)[id]))
	fmt.Fprintf(&b, `
  # The secrets that the app may read.
  secrets:
    scopes:
      - storeName: secrets
        defaultAccess: deny
        allowedSecrets: [%s]
`, strings.Join(secretsOf(t)[id], ", "))
	return b.String()
}

// Policies are the access lists of each app, by caller.
func Policies(t source.T) map[string]map[string][]Operation {
	t.Helper()
	routes := map[[2]string][]string{}
	for _, r := range Requests(t) {
		key := [2]string{r.Of, r.By}
		routes[key] = append(routes[key], r.Do)
	}
	all := map[string]map[string][]Operation{}
	for key, list := range routes {
		if all[key[0]] == nil {
			all[key[0]] = map[string][]Operation{}
		}
		all[key[0]][key[1]] = Operations(list)
	}
	return all
}

func accessControl(by map[string][]Operation) string {
	var b strings.Builder
	b.WriteString(`
  # The routes of this app that each caller may use; all other calls are refused. An entry that ends in /* allows the
  # path before it, and that path with one more segment.
  accessControl:
    defaultAction: deny
`)
	if len(by) > 0 {
		b.WriteString("    policies:\n")
	}
	for _, caller := range slices.Sorted(maps.Keys(by)) {
		fmt.Fprintf(&b, `      - appId: %s
        trustDomain: public
        namespace: default
        operations:
`, caller)
		for _, o := range by[caller] {
			fmt.Fprintf(&b, `          - name: %s
            httpVerb: [%s]
            action: allow
`, o.Path, strings.Join(o.Verbs, ", "))
		}
	}
	return b.String()
}

// ServicePath is the package of what all services do at start.
const ServicePath = "sidecart/kit/service"

// ReadsSecret reports whether a function reads the secret that its second argument names.
func ReadsSecret(function string) bool {
	return function == "(*sidecart/kit/sidecar.Sidecar).Secret" || isMethod("OpenDatabase")(function)
}

// secretsOf are the secrets that each service's code reads.
func secretsOf(t source.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, call := range source.Calls(t, ReadsSecret) {
		service := source.Service(call.Package)
		if call.Package.PkgPath == ServicePath {
			continue // OpenDatabase: its callers name the secret
		}
		if service == "" {
			t.Errorf("%s: kit reads a secret; read it in the main of the service, which shows whose it is", call.At())
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

// withTopics is the file of a broker with its topics and the apps that may publish and consume each.
func withTopics(t source.T, path string) string {
	t.Helper()
	text := source.Read(t, path)
	if !topicsPart.MatchString(text) {
		t.Fatalf("%s has no lines \"# topics: begin\" and \"# topics: end\"", path)
	}
	published, subscribed := topics(t)
	for app := range published { // Dapr allows every topic to an app that the scopes do not name
		subscribed[app] = slices.Clone(subscribed[app])
	}
	for app := range subscribed {
		published[app] = slices.Clone(published[app])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "    # topics: begin (%s)\n", generated)
	b.WriteString(`    # Each app has its own topics and no others. An app without topics is named,
    # too: Dapr allows every topic to an app that is not.
`)
	fmt.Fprintf(&b, "    - name: publishingScopes\n      value: >-\n        %s\n", scopes(published))
	fmt.Fprintf(&b, "    - name: subscriptionScopes\n      value: >-\n        %s\n", scopes(subscribed))
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

// topics are what each app publishes and subscribes to. A consumer's sidecar publishes what it could not deliver, and a
// service with an outbox probes the broker.
func topics(t source.T) (published, subscribed map[string][]string) {
	t.Helper()
	published, subscribed = map[string][]string{}, map[string][]string{}
	for _, entry := range shop.Events {
		published[entry.Publisher] = append(published[entry.Publisher], entry.Event.Topic())
	}
	for _, call := range source.Calls(t, isMethod("NewHub")) {
		app := source.Service(call.Package)
		published[app] = append(published[app], app+".dead")
		_, topics := EventsOf(t, app)
		subscribed[app] = append(topics, app+".dead")
	}
	for _, call := range source.Calls(t, isMethod("OpenDatabase")) {
		app := source.Service(call.Package)
		published[app] = append(published[app], sidecar.ProbeTopic)
	}
	for _, by := range []map[string][]string{published, subscribed} {
		for app := range by {
			slices.Sort(by[app])
			by[app] = slices.Compact(by[app])
		}
	}
	return published, subscribed
}

// isMethod accepts the full name of a method of service.Service.
func isMethod(name string) func(fullName string) bool {
	return func(fullName string) bool { return fullName == "(*"+ServicePath+".Service)."+name }
}
