// Package program finds the programs that the platform is made of, and gets those that are missing: Postgres and Redis
// from the package manager, Dapr's own from the module that pins them.
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
)

// Least versions that the platform works with.
const (
	leastPostgres = 14
	leastRedis    = 6
)

var number = regexp.MustCompile(`\d+(\.\d+)*`)

// ErrMissing says that a program is not on this machine.
var ErrMissing = errors.New("not found")

// FindPostgres gives the folder of the newest Postgres server, wherever distributions put it.
func FindPostgres(ctx context.Context) (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	more, _ := filepath.Glob("/usr/pgsql-*/bin")
	dirs = append(dirs, more...)
	dirs = append(dirs, "/opt/homebrew/opt/postgresql/bin", "/usr/local/pgsql/bin")
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	best, newest := "", leastPostgres-1
	for _, dir := range dirs {
		if !executable(filepath.Join(dir, "postgres")) || !executable(filepath.Join(dir, "initdb")) {
			continue
		}
		if v := major(ctx, filepath.Join(dir, "postgres"), "--version"); v > newest {
			best, newest = dir, v
		}
	}
	if best == "" {
		return "", fmt.Errorf("postgres %d or newer: %w", leastPostgres, ErrMissing)
	}
	return best, nil
}

// FindRedis gives a Redis or Valkey server.
func FindRedis(ctx context.Context) (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		path, err := exec.LookPath(name)
		if err == nil && major(ctx, path, "--version") >= leastRedis {
			return path, nil
		}
	}
	return "", fmt.Errorf("redis-server or valkey-server %d or newer: %w", leastRedis, ErrMissing)
}

// Version is the first number that a program prints about itself.
func Version(ctx context.Context, path, arg string) string {
	out, err := exec.CommandContext(ctx, path, arg).CombinedOutput()
	if err != nil {
		return ""
	}
	return number.FindString(string(out))
}

func major(ctx context.Context, path, arg string) int {
	n, _ := strconv.Atoi(strings.Split(Version(ctx, path, arg), ".")[0])
	return n
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// atLeast compares versions number by number: 1.16.0 is at least 1.16.
func atLeast(version, least string) bool {
	parse := func(s string) []int {
		var out []int
		for _, p := range strings.Split(s, ".") {
			n, err := strconv.Atoi(p)
			if err != nil {
				return nil
			}
			out = append(out, n)
		}
		return out
	}
	v := parse(version)
	return v != nil && slices.Compare(v, parse(least)) >= 0
}
