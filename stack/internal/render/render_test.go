package render

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/template"
)

func TestText(t *testing.T) {
	i, err := instance.New("/repo", "e2e", 10000)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ in, want string }{
		{"    appPort: 8000", "    appPort: 18000"},
		{"    daprGRPCPort: 50000 # two", "    daprGRPCPort: 30000 # two"},
		{`      METRICS_PORT: "8010"`, `      METRICS_PORT: "18010"`},
		{"REDIS_ADDR: localhost:16379", "REDIS_ADDR: localhost:26379"},
		{"value: 127.0.0.1:15432", "value: 127.0.0.1:25432"},
		{"value: ../../.sidecart/run/secrets.json", "value: ../../.sidecart/e2e/secrets.json"},
		{"appDirPath: ../apps/orders", "appDirPath: /repo/apps/orders"},
		{"    - name: port\n      value: \"11025\"", "    - name: port\n      value: \"21025\""},
		{"configFilePath: ../../dapr/config/orders.yaml", "configFilePath: /repo/.sidecart/e2e/dapr/config/orders.yaml"},
		{`value: "1000000"`, `value: "1000000"`},
		{"value: example.com:8000", "value: example.com:8000"},
		{"appHealthProbeTimeout: 1000", "appHealthProbeTimeout: 1000"},
	}
	for _, tt := range tests {
		if got := Text(i, tt.in); got != tt.want {
			t.Errorf("%q became %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestComponentsAreReplaced(t *testing.T) {
	repo, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	components := filepath.Join(repo, "tests", "bench", "components")
	i := instance.Instance{Root: repo, Name: "render-replaced", Offset: 12000, Components: components}
	t.Cleanup(func() { os.RemoveAll(i.Dir()) })
	if err := Copies(i); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(i.Path("components", "local", "ratelimit-users.yaml"))
	if err != nil || !strings.Contains(string(text), `"1000000"`) {
		t.Errorf("%v %s", err, text)
	}
	i.Components = t.TempDir()
	if err := os.WriteFile(filepath.Join(i.Components, "rate.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Copies(i); err == nil || !strings.Contains(err.Error(), "no component to replace with rate.yaml") {
		t.Errorf("a file that replaces no component: %v", err)
	}
}

func TestCopiesShareNothingWithTheDefaultInstance(t *testing.T) {
	repo, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	i := instance.Instance{Root: repo, Name: "render-test", Offset: 12000}
	t.Cleanup(func() { os.RemoveAll(i.Dir()) })
	if err := Copies(i); err != nil {
		t.Fatal(err)
	}
	before, err := template.Read(filepath.Join(repo, "dapr", "dapr.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	after, err := template.Read(i.Template())
	if err != nil {
		t.Fatal(err)
	}
	for n := range before {
		if before[n].Dir != after[n].Dir {
			t.Errorf("%s runs in %s, want %s", after[n].ID, after[n].Dir, before[n].Dir)
		}
		if after[n].Port != before[n].Port+12000 || after[n].GRPCPort != before[n].GRPCPort-30000+12000 {
			t.Errorf("%s: ports %d %d", after[n].ID, after[n].Port, after[n].GRPCPort)
		}
		for _, r := range append(after[n].Resources, after[n].Config) {
			if !strings.HasPrefix(r, i.Dir()) {
				t.Errorf("%s has resources in %s", after[n].ID, r)
			}
		}
	}
	text, err := os.ReadFile(i.Path("components", "local", "secretstore.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), ".sidecart/run/") {
		t.Error("the copy still reads the default instance's secrets")
	}
}
