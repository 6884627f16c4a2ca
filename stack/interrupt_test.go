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

// TestMain is also the stack itself, where a test wants one that it can end.
func TestMain(m *testing.M) {
	if os.Getenv("BE_STACK") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestTestsEndWithTheStack: a stack that is asked to end while it tests ends all that the tests have started.
func TestTestsEndWithTheStack(t *testing.T) {
	if os.Getenv("TEST_DATABASE_URL") == "" {
		t.Skip("without Postgres there is no test to end")
	}
	file := filepath.Join(t.TempDir(), "pid")
	stack := exec.Command(os.Args[0], "test", "--", "sh", "-c", `sh -c 'echo $$ > "$0.new" && mv "$0.new" "$0" && exec sleep 600' "$0"; true`, file)
	stack.Env, stack.Stderr = append(os.Environ(), "BE_STACK=yes"), os.Stderr
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
	_ = stack.Wait() // its code is the test's
	eventually(t, "what the test started is gone", func() bool { return !proc.Exists(pid) })
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("not within 30s: %s", what)
		}
	}
}
