package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sidecart/stack/internal/proc"
)

// TestMain is also the stack program, so that a test can end it.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_STACK") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestInterruptEndsTests: when `stack test` is terminated, all processes that the tests started end.
func TestInterruptEndsTests(t *testing.T) {
	if os.Getenv("TEST_DATABASE_URL") == "" {
		t.Skip("TEST_DATABASE_URL is not set: `make test` starts the Postgres that this test needs")
	}
	file := filepath.Join(t.TempDir(), "pid")
	const script = `sh -c 'echo $$ > "$0.new" && mv "$0.new" "$0" && exec sleep 600' "$0"; true`
	stack := exec.Command(os.Args[0], "test", "--", "sh", "-c", script, file)
	stack.Env, stack.Stderr = append(os.Environ(), "RUN_STACK=yes"), os.Stderr
	if err := stack.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stack.Process.Kill() })
	pid := 0
	eventually(t, "the test runs", func() bool {
		text, err := os.ReadFile(file)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil && pid > 0
	})
	if err := stack.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = stack.Wait() // its exit code is the command's
	eventually(t, "the process of the test has ended", func() bool { return !proc.Exists(pid) })
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("not within 30s: %s", what)
		}
	}
}
