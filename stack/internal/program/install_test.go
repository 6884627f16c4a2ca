package program

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sidecart/stack/internal/progress"
)

// TestMain is also a program that installs, so that a test can kill it.
func TestMain(m *testing.M) {
	if root := os.Getenv("INSTALL_ROOT"); root != "" {
		lock, err := system(root).lock(syscall.LOCK_EX)
		if err == nil {
			err = system(root).install(context.Background(), progress.New(io.Discard), lock, []string{"redis-server"})
		}
		if err != nil {
			panic(err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// fakeSystem is a system whose apt-get creates the file "works" and waits for the file "go-on".
func fakeSystem(t *testing.T) (s system, root string) {
	t.Helper()
	root = t.TempDir()
	write(t, root, map[string]string{"usr/sbin/.keep": "", "run/.keep": "", "bin/apt-get": "#!/bin/sh\n" +
		"touch \"$INSTALL_ROOT/works\"\nuntil [ -e \"$INSTALL_ROOT/go-on\" ]; do sleep 0.02; done\n"})
	if err := os.Chmod(filepath.Join(root, "bin/apt-get"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { touch(t, root, "go-on") })
	return system(root), root
}

// startInstall starts an install on it, and returns while apt-get runs.
func startInstall(t *testing.T, root string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "INSTALL_ROOT="+root, "PATH="+filepath.Join(root, "bin")+":"+os.Getenv("PATH"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	eventually(t, "apt-get works", func() bool { return exists(filepath.Join(root, "works")) })
	return cmd
}

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func touch(t *testing.T, root, name string) {
	t.Helper()
	write(t, root, map[string]string{name: ""})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("not within 10s: %s", what)
		}
	}
}

// TestKilledInstall: services of the machine cannot start while the package manager runs, also when its caller was
// killed. The next stack command after it removes the policy.
func TestKilledInstall(t *testing.T) {
	s, root := fakeSystem(t)
	cmd := startInstall(t, root)
	if text, err := os.ReadFile(s.policyFile()); err != nil || string(text) != policy {
		t.Fatalf("during the install the policy is %q: %v", text, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if err := s.recover(); err != nil || !exists(s.policyFile()) {
		t.Errorf("the policy was removed while apt-get runs: %v", err)
	}
	touch(t, root, "go-on")
	eventually(t, "the policy is removed", func() bool {
		if err := s.recover(); err != nil {
			t.Fatal(err)
		}
		return !exists(s.policyFile())
	})
}

// TestInstallRemovesItsPolicy when it succeeds.
func TestInstallRemovesItsPolicy(t *testing.T) {
	s, root := fakeSystem(t)
	cmd := startInstall(t, root)
	touch(t, root, "go-on")
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(s.policyFile() + "*"); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// TestInstallKeepsAnExistingPolicy: container images have one.
func TestInstallKeepsAnExistingPolicy(t *testing.T) {
	s, root := fakeSystem(t)
	const existing = "#!/bin/sh\nexit 101\n"
	write(t, root, map[string]string{"usr/sbin/policy-rc.d": existing})
	cmd := startInstall(t, root)
	touch(t, root, "go-on")
	if err := errors.Join(cmd.Wait(), s.recover()); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(s.policyFile()); err != nil || string(text) != existing {
		t.Errorf("the policy is %q: %v", text, err)
	}
}
