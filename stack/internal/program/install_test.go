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

// TestMain is also the program that installs, where a test wants one that it can kill.
func TestMain(m *testing.M) {
	if root := os.Getenv("INSTALL_BELOW"); root != "" {
		lock, err := system(root).lock(syscall.LOCK_EX)
		if err == nil {
			err = system(root).install(context.Background(), progress.To(io.Discard), lock, []string{"redis-server"})
		}
		if err != nil {
			panic(err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// machine is a system of the test's own whose apt-get says that it works, and then waits until it may go on.
func machine(t *testing.T) (s system, root string) {
	t.Helper()
	root = t.TempDir()
	write(t, root, map[string]string{"usr/sbin/.keep": "", "run/.keep": "",
		"bin/apt-get": "#!/bin/sh\ntouch \"$INSTALL_BELOW/works\"\nuntil [ -e \"$INSTALL_BELOW/go-on\" ]; do sleep 0.02; done\n"})
	if err := os.Chmod(filepath.Join(root, "bin/apt-get"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { touch(t, root, "go-on") })
	return system(root), root
}

// installing is an install on it, with apt-get at work.
func installing(t *testing.T, root string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "INSTALL_BELOW="+root, "PATH="+filepath.Join(root, "bin")+":"+os.Getenv("PATH"))
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

// TestInstallThatIsKilled: servers of the machine may not start while the package manager works, also when who called
// it was killed; the next start of anything then lets them again.
func TestInstallThatIsKilled(t *testing.T) {
	s, root := machine(t)
	cmd := installing(t, root)
	if text, err := os.ReadFile(s.policy()); err != nil || string(text) != refusal {
		t.Fatalf("the policy meanwhile is %q: %v", text, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if err := s.recover(); err != nil || !exists(s.policy()) {
		t.Errorf("the policy is gone while apt-get works: %v", err)
	}
	touch(t, root, "go-on")
	eventually(t, "the policy is gone", func() bool {
		if err := s.recover(); err != nil {
			t.Fatal(err)
		}
		return !exists(s.policy())
	})
}

// TestInstallTakesItsPolicyBack when nothing goes wrong.
func TestInstallTakesItsPolicyBack(t *testing.T) {
	s, root := machine(t)
	cmd := installing(t, root)
	touch(t, root, "go-on")
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(s.policy() + "*"); err != nil || len(left) > 0 {
		t.Errorf("left are %v: %v", left, err)
	}
}

// TestInstallKeepsAPolicy that somebody else has made, as images of containers have one.
func TestInstallKeepsAPolicy(t *testing.T) {
	s, root := machine(t)
	const theirs = "#!/bin/sh\nexit 101\n"
	write(t, root, map[string]string{"usr/sbin/policy-rc.d": theirs})
	cmd := installing(t, root)
	touch(t, root, "go-on")
	if err := errors.Join(cmd.Wait(), s.recover()); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(s.policy()); err != nil || string(text) != theirs {
		t.Errorf("the policy is %q: %v", text, err)
	}
}
