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

// Servers finds Postgres and Redis. As root on a Debian-like system it installs what is missing; elsewhere it fails and
// says which two commands to type.
func Servers(ctx context.Context, log *progress.Log) (postgres, redis string, err error) {
	err = need(ctx, log, func() (packages []string, err error) {
		var errP, errR error
		if postgres, errP = FindPostgres(ctx); errP != nil {
			packages = append(packages, "postgresql")
		}
		if redis, errR = FindRedis(ctx); errR != nil {
			packages = append(packages, "redis-server")
		}
		return packages, errors.Join(errP, errR)
	})
	return postgres, redis, err
}

// need looks for programs and has the package manager install those that are missing; find names their packages.
func need(ctx context.Context, log *progress.Log, find func() (packages []string, err error)) error {
	packages, missing := find()
	if missing == nil {
		return nil
	}
	err := errors.New("only root, with apt-get, can install packages")
	if CanInstall() {
		var lock *os.File
		if lock, err = host.lock(syscall.LOCK_EX); err != nil {
			return err
		}
		defer lock.Close()
		if packages, missing = find(); missing == nil { // somebody else has installed them meanwhile
			return nil
		}
		if err = host.install(ctx, log, lock, packages); err == nil {
			_, err = find()
			return err
		}
	}
	return fmt.Errorf("%w\nmissing: %w\ninstall it, then start again:\n    sudo apt-get update\n    sudo apt-get install -y %s",
		err, missing, strings.Join(packages, " "))
}

// CanInstall says whether this user on this system may install packages.
func CanInstall() bool {
	_, err := exec.LookPath("apt-get")
	return err == nil && os.Geteuid() == 0
}

// system is a machine whose files are below a folder.
type system string

const host system = "/"

// install has the package manager install packages, and keeps it from starting the servers among them: the platform
// runs private ones. The package manager shares our lock, so that the lock is held for as long as either lives.
func (s system) install(ctx context.Context, log *progress.Log, lock *os.File, packages []string) (err error) {
	allow, err := s.forbidServices()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, allow()) }()

	names := strings.Join(packages, " ")
	log.Say("installing %s with the package manager", names)
	for _, step := range [][]string{
		{"apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq", "update"},
		append([]string{"apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq", "install", "-y", "--no-install-recommends"}, packages...),
	} {
		done := log.Step(strings.Join(step[:1], " ")+" "+names, "using it; this is once")
		cmd := exec.CommandContext(ctx, step[0], step[1:]...)
		cmd.Env, cmd.ExtraFiles = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive"), []*os.File{lock}
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // killed, it leaves packages half installed
		out, err := cmd.CombinedOutput()
		done(err)
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(step, " "), err, tail(out))
		}
	}
	return nil
}

// refusal is the policy by which Debian's package manager starts no server. Its second line tells it from others.
const refusal = "#!/bin/sh\n# Made by Sidecart's stack while it installs packages; it may be removed.\nexit 101\n"

func (s system) policy() string { return filepath.Join(string(s), "usr/sbin/policy-rc.d") }

// forbidServices puts our policy in place, whole or not at all. One that is there already stays, and decides.
func (s system) forbidServices() (allow func() error, err error) {
	draft := s.policy() + ".sidecart"
	if err := os.WriteFile(draft, []byte(refusal), 0o755); err != nil {
		return nil, err
	}
	err = os.Link(draft, s.policy())
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return s.allowServices, errors.Join(err, os.Remove(draft))
}

// forbids says whether the policy is there and ours.
func (s system) forbids() bool {
	text, err := os.ReadFile(s.policy())
	return err == nil && string(text) == refusal
}

// allowServices removes a policy of ours.
func (s system) allowServices() error {
	if !s.forbids() {
		return nil
	}
	return os.Remove(s.policy())
}

// Recover takes back what an install that was killed has left here, unless its package manager is still at work.
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

// lock keeps two platforms from installing at the same time.
func (s system) lock(how int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(string(s), "run/sidecart-install.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func tail(out []byte) string {
	if len(out) > 2000 {
		out = out[len(out)-2000:]
	}
	return string(out)
}
