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

// TestMain is also the bench program, so that a test can kill it.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_BENCH") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestAKilledBenchLeavesNoProcess: all processes of its platform end.
func TestAKilledBenchLeavesNoProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("-short is set: this test starts a whole platform")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	tools := t.TempDir() // with a wrk that measures nothing
	wrk := []byte("#!/bin/sh\necho wrk " + wrkVersion + "\n")
	if err := os.WriteFile(filepath.Join(tools, "wrk"), wrk, 0o755); err != nil {
		t.Fatal(err)
	}
	p := &platform.Platform{Dir: filepath.Join(root, ".sidecart", "bench")}
	bench := exec.Command(os.Args[0]) //nolint:noctx // it is killed
	bench.Dir, bench.Stderr = root, os.Stderr
	bench.Env = append(os.Environ(), "RUN_BENCH=yes", "PATH="+tools+":"+os.Getenv("PATH"))
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
		return platform.NoProcesses(p.Dir)
	})
}
