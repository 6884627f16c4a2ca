package program

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"sidecart/stack/internal/progress"
)

// findOrInstall finds programs, and has the package manager install missing ones; find returns their packages.
func findOrInstall(ctx context.Context, log *progress.Log, find func() (packages []string, err error)) error {
	packages, missing := find()
	if missing == nil {
		return nil
	}
	err := errors.New("packages can be installed only by root, with apt-get")
	if CanInstall() {
		var lock *os.File
		if lock, err = host.lock(syscall.LOCK_EX); err != nil {
			return err
		}
		defer lock.Close()
		if packages, missing = find(); missing == nil { // installed by another stack meanwhile
			return nil
		}
		if err = host.install(ctx, log, lock, packages); err == nil {
			_, err = find()
			return err
		}
	}
	return fmt.Errorf("%w\nmissing: %w\ninstall it, then start again:\n"+
		"    sudo apt-get update\n    sudo apt-get install -y %s", err, missing, strings.Join(packages, " "))
}

// CanInstall reports whether this user can install packages on this system.
func CanInstall() bool {
	_, err := exec.LookPath("apt-get")
	return err == nil && os.Geteuid() == 0
}

// system is a machine by its root folder.
type system string

const host system = "/"

// install has the package manager install packages without starting their services: the platform runs private ones. The
// package manager inherits our lock, so the lock is held until both have exited.
func (s system) install(ctx context.Context, log *progress.Log, lock *os.File, packages []string) (err error) {
	if err := s.forbidServices(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.allowServices()) }()
	names := strings.Join(packages, " ")
	log.Printf("installing %s with apt-get", names)
	for _, step := range [][]string{
		{"update"},
		append([]string{"install", "-y", "--no-install-recommends"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=300", "-qq"}, step...)...)
		cmd.Env, cmd.ExtraFiles = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive"), []*os.File{lock}
		// Killed, apt-get leaves packages half installed.
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		var out []byte
		err := log.Step("apt-get "+step[0], "using "+names+"; this happens once", func() (err error) {
			out, err = cmd.CombinedOutput()
			return err
		})
		if err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(step, " "), err, tail(out))
		}
	}
	return nil
}

// policy makes Debian's package manager start no service. Its second line identifies it as ours.
const policy = "#!/bin/sh\n# Made by Sidecart's stack while it installs packages; it may be removed.\nexit 101\n"

func (s system) policyFile() string { return filepath.Join(string(s), "usr/sbin/policy-rc.d") }

// forbidServices writes our policy atomically. An existing policy stays.
func (s system) forbidServices() error {
	draft := s.policyFile() + ".sidecart"
	if err := os.WriteFile(draft, []byte(policy), 0o755); err != nil {
		return err
	}
	err := os.Link(draft, s.policyFile())
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(draft))
}

// forbids reports whether the policy is ours.
func (s system) forbids() bool {
	text, err := os.ReadFile(s.policyFile())
	return err == nil && string(text) == policy
}

// allowServices removes our policy.
func (s system) allowServices() error {
	if !s.forbids() {
		return nil
	}
	return os.Remove(s.policyFile())
}

// Recover removes the policy that a killed install left behind, unless its package manager still runs.
func Recover() error {
	if !CanInstall() {
		return nil
	}
	return host.recover()
}

func (s system) recover() error {
	if !s.forbids() {
		return nil
	}
	lock, err := s.lock(syscall.LOCK_EX | syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	return s.allowServices()
}

// lock keeps concurrent stacks from installing.
func (s system) lock(how int) (*os.File, error) {
	return lockFile(filepath.Join(string(s), "run/sidecart-install.lock"), how)
}

// lockFile locks a file until it is closed.
func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func tail(out []byte) string { return string(out[max(0, len(out)-2000):]) }
