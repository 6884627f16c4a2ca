// Package program finds the programs of the platform and gets missing ones: Postgres, Redis, nginx and Chromium
// from the package manager, Dapr and the tools from the modules that pin them.
package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sidecart/stack/internal/progress"
)

// Minimum versions.
const (
	minPostgres = 14
	minRedis    = 6
)

var number = regexp.MustCompile(`\d+(\.\d+)*`)

// ErrMissing means that a program is not on this machine.
var ErrMissing = errors.New("not found")

// FindPostgres returns the folder of the newest Postgres server.
func FindPostgres(ctx context.Context) (string, error) {
	var dirs []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql/bin", "/usr/local/pgsql/bin",
	} {
		found, _ := filepath.Glob(pattern)
		dirs = append(dirs, found...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if target, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
	}
	best, newest := "", minPostgres-1
	for _, dir := range dirs {
		if !executable(filepath.Join(dir, "initdb")) {
			continue
		}
		if v := major(ctx, filepath.Join(dir, "postgres")); v > newest {
			best, newest = dir, v
		}
	}
	if best == "" {
		return "", fmt.Errorf("postgres %d or newer: %w", minPostgres, ErrMissing)
	}
	return best, nil
}

// FindRedis returns a Redis or Valkey server.
func FindRedis(ctx context.Context) (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		path, err := exec.LookPath(name)
		if err == nil && major(ctx, path) >= minRedis {
			return path, nil
		}
	}
	return "", fmt.Errorf("redis-server or valkey-server %d or newer: %w", minRedis, ErrMissing)
}

// FindChromium returns a Chromium or Chrome, for the tests of the pages.
func FindChromium(context.Context) (string, error) {
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chromium-headless-shell",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("chromium or google-chrome: %w", ErrMissing)
}

// FindNginx returns an nginx, for the tests of deploy/nginx. Debian keeps it outside of an ordinary user's PATH.
func FindNginx(context.Context) (string, error) {
	for _, name := range []string{"nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("nginx: %w", ErrMissing)
}

// Servers finds Postgres and Redis. As root on a Debian-like system it installs what is missing; elsewhere it fails and
// names the commands to run.
func Servers(ctx context.Context, log *progress.Log) (postgres, redis string, err error) {
	err = findOrInstall(ctx, log, func() (packages []string, err error) {
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

// Chromium is Servers for a browser.
func Chromium(ctx context.Context, log *progress.Log) (path string, err error) {
	err = findOrInstall(ctx, log, func() ([]string, error) {
		path, err = FindChromium(ctx)
		return []string{"chromium"}, err
	})
	return path, err
}

// Nginx is Servers for nginx.
func Nginx(ctx context.Context, log *progress.Log) (path string, err error) {
	err = findOrInstall(ctx, log, func() ([]string, error) {
		path, err = FindNginx(ctx)
		return []string{"nginx-light"}, err
	})
	return path, err
}

// Version is the first number in a program's --version.
func Version(ctx context.Context, path string) string {
	out, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
	if err != nil {
		return ""
	}
	return number.FindString(string(out))
}

func major(ctx context.Context, path string) int {
	n, _ := strconv.Atoi(strings.Split(Version(ctx, path), ".")[0])
	return n
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func allExecutable(paths []string) bool {
	return !slices.ContainsFunc(paths, func(path string) bool { return !executable(path) })
}

// atLeast compares versions number by number: 1.16.0 is at least 1.16.
func atLeast(version, minimum string) bool {
	parse := func(s string) (out []int) {
		for p := range strings.SplitSeq(s, ".") {
			n, err := strconv.Atoi(p)
			if err != nil {
				return nil
			}
			out = append(out, n)
		}
		return out
	}
	v := parse(version)
	return v != nil && slices.Compare(v, parse(minimum)) >= 0
}
