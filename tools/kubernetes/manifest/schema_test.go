package manifest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yannh/kubeconform/pkg/resource"
	"github.com/yannh/kubeconform/pkg/validator"

	"sidecart/tools/kubernetes/manifest"
	"sidecart/tools/kubernetes/schema"
)

const schemas = "../schemas"

// newValidator checks against the schemas of this repository, without a network.
func newValidator(t *testing.T) validator.Validator {
	t.Helper()
	v, err := validator.New([]string{schemas + "/{{.ResourceKind}}{{.KindSuffix}}.json"}, validator.Opts{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSchemas: every resource has only fields that Kubernetes and Dapr know, of the right type, and those required.
func TestSchemas(t *testing.T) {
	check := newValidator(t)
	for _, dir := range manifest.Directories {
		for _, r := range render(t, dir) {
			if result := check.ValidateResource(resource.Resource{Bytes: r.YAML}); result.Status != validator.Valid {
				t.Errorf("%s: %s %s: %v", dir, r.Name, r.Resource, result.Err)
			}
		}
	}
}

// TestSchemasRefuse: a wrong field is refused in each part that the schemas come from.
func TestSchemasRefuse(t *testing.T) {
	check := newValidator(t)
	all := slices.Concat(render(t, production), render(t, "deploy/kubernetes/monitoring"))
	for _, tt := range []struct{ kind, right, wrong, want string }{
		{"Deployment", "readinessProbe:", "readynessProbe:", "readynessProbe"},
		{"Deployment", "containerPort: 8000", "containerPort: http", "containerPort"},
		{"Deployment", "runAsNonRoot: true", "runAsNonroot: true", "runAsNonroot"},
		{"NetworkPolicy", "policyTypes:", "policyType:", "policyType"},
		{"HorizontalPodAutoscaler", "minReplicas: 2", "minReplicas: two", "minReplicas"},
		{"Ingress", "pathType: Prefix", "pathtype: Prefix", "pathType"},
		{"CronJob", "schedule: 15 3", "timetable: 15 3", "schedule"},
		{"Component", "type: pubsub.redis", "kind: pubsub.redis", "kind"},
		{"Configuration", "  accessControl:\n    defaultAction", "  mtls: {enabled: true}\n  accessControl:\n    defaultAction", "mtls"},
		{"Configuration", "defaultAction: deny", "defaultActions: deny", "defaultActions"},
		{"Resiliency", "scopes:", "scope:", "scope"},
		{"ServiceMonitor", "interval: 30s", "intervall: 30s", "intervall"},
	} {
		found := slices.IndexFunc(all, func(r manifest.Resource) bool {
			return r.Name == tt.kind && strings.Contains(string(r.YAML), tt.right)
		})
		if found < 0 {
			t.Errorf("no %s has %q", tt.kind, tt.right)
			continue
		}
		text := strings.Replace(string(all[found].YAML), tt.right, tt.wrong, 1)
		result := check.ValidateResource(resource.Resource{Bytes: []byte(text)})
		if result.Status != validator.Invalid || !strings.Contains(result.Err.Error(), tt.want) {
			t.Errorf("%s with %q: %v, want an error with %s", tt.kind, tt.wrong, result.Err, tt.want)
		}
	}
}

// TestSchemasAreCurrent: the schemas are of the pinned versions, and of the kinds that are used and no others.
func TestSchemasAreCurrent(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(schemas, schema.VersionsFile))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for module, want := range schema.Versions(platform(t).Dapr) {
		if got[module] != want {
			t.Errorf("the schemas are of %s %s, and %s is pinned: run `make schemas`", module, got[module], want)
		}
	}
	kinds, err := manifest.Kinds(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"definitions.json", schema.VersionsFile}
	for _, kind := range kinds {
		want = append(want, kind.File())
	}
	entries, err := os.ReadDir(schemas)
	if err != nil {
		t.Fatal(err)
	}
	files := make([]string, 0, len(entries))
	for _, entry := range entries {
		files = append(files, entry.Name())
	}
	slices.Sort(want)
	if !slices.Equal(files, want) {
		t.Errorf("the schemas are %v, and the kinds in use need %v: run `make schemas`", files, want)
	}
}
