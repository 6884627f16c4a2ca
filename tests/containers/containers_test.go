package containers

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := 0, error(nil)
	switch os.Getenv(modeVariable) {
	case "":
		code = m.Run() // all tests skip
	case "start":
		timeout := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration)
		code, err = Sandbox(timeout + time.Minute)
	case "init":
		code, err = Init()
	case "tests":
		code, err = runTests(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests of containers:", err)
		code = max(1, code)
	}
	os.Exit(code)
}

// runTests runs the tests on an engine, which it stops also when they are interrupted.
func runTests(m *testing.M) (int, error) {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	began := time.Now()
	log := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%8s  %s\n", time.Since(began).Round(time.Second), fmt.Sprintf(format, args...))
	}
	engine, err := StartEngine(ctx)
	if err != nil {
		return 1, err
	}
	code := make(chan int, 1)
	if err := MakeBases(ctx, log); err != nil {
		return 1, errors.Join(err, engine.Stop())
	}
	go func() { code <- m.Run() }()
	select {
	case <-ctx.Done():
		return 130, errors.Join(errors.New("interrupted"), engine.Stop())
	case c := <-code:
		return c, errors.Join(removeLeftovers(ctx), engine.Stop())
	}
}

// needsEngine skips a test outside the sandbox.
func needsEngine(t *testing.T) {
	t.Helper()
	if os.Getenv(modeVariable) != "tests" {
		t.Skip("it needs a Docker engine, and `make test-containers` runs it")
	}
}

// TestSandbox: the network of the engine is not that of the machine.
func TestSandbox(t *testing.T) {
	needsEngine(t)
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if machines := os.Getenv(networkVariable); own == machines || machines == "" {
		t.Errorf("the engine's network is %s, and the machine's %s", own, machines)
	}
	out, err := docker(t.Context(), "run", "--rm", debian, "bash", "-c", "getent hosts deb.debian.org && id -u")
	if err != nil {
		t.Fatal(err)
	}
	t.Log(out)
}
