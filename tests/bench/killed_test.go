package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sidecart/tests/platform"
)

// TestMain is also the bench itself, which a test kills.
func TestMain(m *testing.M) {
	if os.Getenv("BE_BENCH") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestNothingOutlivesTheBench: a bench that is killed leaves nothing of its platform, however far that had come.
func TestNothingOutlivesTheBench(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a platform")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	tools := t.TempDir() // nothing comes to be measured
	if err := os.WriteFile(filepath.Join(tools, "wrk"), []byte("#!/bin/sh\necho wrk "+wrkVersion+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := &platform.Platform{Dir: filepath.Join(root, ".sidecart", "bench")}
	bench := exec.Command(os.Args[0]) //nolint:noctx // it is killed
	bench.Dir, bench.Stderr = root, os.Stderr
	bench.Env = append(os.Environ(), "BE_BENCH=yes", "PATH="+tools+":"+os.Getenv("PATH"))
	if err := bench.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bench.Process.Kill() })
	platform.Eventually(t, time.Minute, func() error {
		if s, err := p.State(); err != nil || p.Process("postgres").State != "running" {
			return fmt.Errorf("%+v %w", s, err)
		}
		return nil
	})
	if err := bench.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = bench.Wait() // killed
	platform.Eventually(t, 20*time.Second, func() error {
		if s, err := p.State(); err == nil {
			return fmt.Errorf("the supervisor still runs: %+v", s)
		}
		return platform.Gone(p.Dir)
	})
}
