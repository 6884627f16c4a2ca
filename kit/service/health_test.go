package service

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestMain: with this variable the test is a service's program, with the arguments of its container.
func TestMain(m *testing.M) {
	if os.Getenv("BE_A_SERVICE") == "" {
		os.Exit(m.Run())
	}
	Main("orders", func(context.Context, *Service) error {
		_, err := os.Stdout.WriteString("runs with " + os.Getenv("APP_API_TOKEN") + " and " + os.Getenv("DAPR_API_TOKEN"))
		return err
	})
}

func program(t *testing.T, env []string, args ...string) (output string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(env, "BE_A_SERVICE=1")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// TestHealthWord: `/app health` has the exit status 0 only if the service beside it is ready.
func TestHealthWord(t *testing.T) {
	var ready atomic.Bool
	ready.Store(true)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health/ready" || r.Host != r.Context().Value(http.LocalAddrContextKey).(net.Addr).String() {
			t.Errorf("requested %s of %s", r.URL, r.Host)
		}
		if !ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"status":"down"}`))
		}
	}))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	port = "APP_PORT=" + port
	if out, status := program(t, []string{port}, "health"); status != 0 || strings.Contains(out, "runs") {
		t.Errorf("ready: %d %s", status, out)
	}
	ready.Store(false)
	if out, status := program(t, []string{port}, "health"); status != 1 || !strings.Contains(out, `503 {\"status\":\"down\"}`) {
		t.Errorf("not ready: %d %s", status, out)
	}
	server.Close()
	if out, status := program(t, []string{port}, "health"); status != 1 || !strings.Contains(out, "connection refused") {
		t.Errorf("not running: %d %s", status, out)
	}
	if out, status := program(t, nil, "health"); status != 1 || !strings.Contains(out, "APP_PORT is not set") {
		t.Errorf("no port: %d %s", status, out)
	}
}

// TestTokenFiles: containers get the tokens in files.
func TestTokenFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	app, dapr, empty := file("app", "one\n"), file("dapr", "two"), file("empty", "\n")
	for _, tt := range []struct {
		env    []string
		status int
		want   string
	}{
		{[]string{"APP_API_TOKEN_FILE=" + app, "DAPR_API_TOKEN_FILE=" + dapr}, 0, "runs with one and two"},
		{[]string{"APP_API_TOKEN=plain", "DAPR_API_TOKEN_FILE=" + dapr}, 0, "runs with plain and two"},
		{[]string{"APP_API_TOKEN=plain", "APP_API_TOKEN_FILE=" + app}, 1, "APP_API_TOKEN and APP_API_TOKEN_FILE are both set"},
		{[]string{"APP_API_TOKEN_FILE=" + empty}, 1, "APP_API_TOKEN_FILE: " + empty + " is empty"},
		{[]string{"DAPR_API_TOKEN_FILE=/none"}, 1, "DAPR_API_TOKEN_FILE: open /none: no such file"},
	} {
		if out, status := program(t, tt.env); status != tt.status || !strings.Contains(out, tt.want) {
			t.Errorf("%v: %d %s", tt.env, status, out)
		}
	}
}
