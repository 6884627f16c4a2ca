package program

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestComponentTypes: daprd has the components that any folder names.
func TestComponentTypes(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"components/local/carts.yaml": "kind: Component\nspec: {type: state.redis}\n",
		"components/compose/carts.yaml": "kind: Component\nspec: {type: state.redis}\n---\n" +
			"kind: Component\nspec: {type: lock.redis}\n",
		"components/cloud/aws/image.yaml": "kind: Component\nspec: {type: bindings.aws.s3}\n",
		"dapr/config/orders.yaml":         "kind: Configuration\nspec: {nameResolution: {component: sqlite}}\n",
		"dapr/resiliency/orders.yaml":     "kind: Resiliency\nspec: {policies: {}}\n",
		"tests/bench/email.yaml":          "kind: Component\nspec: {type: bindings.smtp}\n",
		"dapr/dapr.yaml":                  "version: 1\napps: []\n",
	})
	got, err := componentTypes(root)
	want := []string{"bindings.aws.s3", "bindings.smtp", "lock.redis", "nameresolution.sqlite", "state.redis"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
}

// TestUnusedComponents: components that no file names are hidden, and an unknown type is an error before anything is
// compiled.
func TestUnusedComponents(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"state_postgres.go":             `Register(x, "postgres"); Register(x, "postgresql")`,
		"bindings_postgres.go":          `Register(x, "postgresql")`,
		"bindings_aws_s3.go":            `Register(x, "aws.s3")`,
		"middleware_http_ratelimit.go":  `Register(x, "ratelimit")`,
		"middleware_http_routealias.go": `Register(x, "routealias")`,
	})
	files, err := unusedComponents(dir, []string{"bindings.aws.s3", "middleware.http.ratelimit", "state.postgresql"})
	if err != nil {
		t.Fatal(err)
	}
	for n, path := range files {
		files[n] = filepath.Base(path)
	}
	if want := []string{"bindings_postgres.go", "middleware_http_routealias.go"}; !slices.Equal(files, want) {
		t.Errorf("hidden are %v, want %v", files, want)
	}
	_, err = unusedComponents(dir, []string{"state.postgresql", "state.postgrespl"})
	if err == nil || !strings.Contains(err.Error(), "type state.postgrespl") {
		t.Errorf("a misspelt type: %v", err)
	}
}
