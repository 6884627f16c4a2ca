package template

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const repositoryFile = "../../../dapr/dapr.yaml"

func TestReadsTheRealFile(t *testing.T) {
	apps, err := Read(repositoryFile)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		id               string
		app, http, grpc  int
		internal, metric int
	}{
		{"gateway", 8000, 3500, 50000, 50001, 3600},
		{"users", 8001, 3501, 50100, 50101, 3601},
		{"products", 8002, 3502, 50200, 50201, 3602},
		{"orders", 8003, 3503, 50300, 50301, 3603},
		{"notifications", 8004, 3504, 50400, 50401, 3604},
	}
	if len(apps) != len(want) {
		t.Fatalf("%d apps, want %d", len(apps), len(want))
	}
	for i, w := range want {
		a := apps[i]
		if a.ID != w.id || a.Port != w.app || a.HTTPPort != w.http || a.GRPCPort != w.grpc ||
			a.InternalGRPCPort != w.internal || a.MetricsPort != w.metric {
			t.Errorf("app %d is %+v, want %+v", i, a, w)
		}
		if _, err := os.Stat(a.Config); err != nil {
			t.Errorf("%s: %v", a.ID, err)
		}
		for _, r := range a.Resources {
			if _, err := os.Stat(r); err != nil {
				t.Errorf("%s: %v", a.ID, err)
			}
		}
		if pkg, ok := a.GoPackage(); !ok || pkg != "." {
			t.Errorf("%s: command %v", a.ID, a.Command)
		}
		if a.Env["SIDECART_ENV"] != "local" {
			t.Errorf("%s lacks the common environment: %v", a.ID, a.Env)
		}
	}
}

// The CLI's own rule, in its package standalone: the fields with an env tag, the protocol, then the template's env.
func TestEnvIsWhatTheCLISets(t *testing.T) {
	apps, err := Read(repositoryFile)
	if err != nil {
		t.Fatal(err)
	}
	got := apps[0].AppEnv()
	want := []string{
		"APP_ID=gateway", "APP_CHANNEL_ADDRESS=", "APP_PORT=8000", "DAPR_HTTP_PORT=3500", "DAPR_GRPC_PORT=50000",
		"DAPR_METRICS_PORT=3600", "APP_PROTOCOL=http",
	}
	for k, v := range apps[0].Env {
		want = append(want, k+"="+v)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("environment\n%v\nwant\n%v", got, want)
	}
}

func TestPrecedenceAndErrors(t *testing.T) {
	const ports = "appPort: 1, daprHTTPPort: 2, daprGRPCPort: 3, daprInternalGRPCPort: 4, metricsPort: 5, command: [x], "
	tests := []struct{ name, text, fails string }{
		{"own over common", "version: 1\ncommon: {logLevel: info, env: {A: common, B: common}}\napps: [{appDirPath: ., " + ports + "logLevel: debug, env: {A: own}}]", ""},
		{"unknown key", "version: 1\napps: [{appDirPath: ., " + ports + "colour: red}]", "colour"},
		{"no folder", "version: 1\napps: [{" + ports + "appID: x}]", "appDirPath"},
		{"no port", "version: 1\napps: [{appDirPath: ., command: [x]}]", "port"},
		{"no env to add to", "version: 1\ncommon: {env: {A: b}}\napps: [{appDirPath: ., " + ports + "}]", "env"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dapr.yaml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			apps, err := Read(path)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Fatalf("error %v, want one about %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a := apps[0]; a.LogLevel != "debug" || a.Env["A"] != "own" || a.Env["B"] != "common" {
				t.Errorf("got %+v", a)
			}
		})
	}
}
