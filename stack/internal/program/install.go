package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	if _, err := find(); err == nil {
		return nil
	}
	if CanInstall() {
		unlock, err := lock() // somebody else may be installing them
		if err != nil {
			return err
		}
		defer unlock()
	}
	packages, missing := find()
	if missing == nil {
		return nil
	}
	if err := install(ctx, log, packages); err != nil {
		return fmt.Errorf("%w\nmissing: %w\ninstall it, then start again:\n    sudo apt-get update\n    sudo apt-get install -y %s",
			err, missing, strings.Join(packages, " "))
	}
	_, err := find()
	return err
}

// CanInstall says whether this user on this system may install packages.
func CanInstall() bool {
	_, err := exec.LookPath("apt-get")
	return err == nil && os.Geteuid() == 0
}

func install(ctx context.Context, log *progress.Log, packages []string) (err error) {
	if !CanInstall() {
		return errors.New("only root, with apt-get, can install packages")
	}
	allow, err := forbidServices()
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
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		out, err := cmd.CombinedOutput()
		done(err)
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(step, " "), err, tail(out))
		}
	}
	return nil
}

const policy = "/usr/sbin/policy-rc.d"

// forbidServices keeps the package manager from starting the servers it installs: the platform runs private ones. The
// returned function puts things back as they were.
func forbidServices() (restore func() error, err error) {
	old, err := os.ReadFile(policy)
	had := err == nil
	if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
		return nil, err
	}
	return func() error {
		if had {
			return os.WriteFile(policy, old, 0o755)
		}
		return os.Remove(policy)
	}, nil
}

// lock keeps two platforms from installing at the same time.
func lock() (unlock func(), err error) {
	f, err := os.OpenFile("/run/sidecart-install.lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil
}

func tail(out []byte) string {
	if len(out) > 2000 {
		out = out[len(out)-2000:]
	}
	return string(out)
}
