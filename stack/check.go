package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"sidecart/stack/internal/program"
	"sidecart/stack/internal/progress"
)

// checker runs the checks of `make test` in the repository's root.
type checker struct {
	command
	ctx context.Context
	log *progress.Log
}

// check is `make test`: formatting, linter (with vet in it), unit tests and API tables beside a Postgres, then the tests of the running
// platform, and a last line that counts both. With packages named it only tests those.
func check(ctx context.Context, c command) error {
	k := checker{command: c, ctx: ctx, log: progress.To(os.Stderr)}
	if len(c.args) > 0 {
		return k.only(c.args)
	}
	if err := k.format(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var dapr errgroup.Group // builds meanwhile: what comes before the tests of the platform leaves a core idle now and then
	dapr.Go(func() error {
		_, err := program.EnsureDapr(ctx, k.Instance, k.log)
		return err
	})
	if err := k.lint(); err != nil {
		cancel()
		_ = dapr.Wait() // it was told to stop
		return err
	}
	return k.tests(dapr.Wait)
}

// lint is `make lint`.
func lint(ctx context.Context, c command) error {
	return checker{command: c, ctx: ctx, log: progress.To(os.Stderr)}.lint()
}

func (k checker) format() error {
	k.log.Say("formatting")
	out, err := k.output("gofmt", "-l", "apps", "kit", "stack", "tests", "tools")
	if err == nil && strings.TrimSpace(out) != "" {
		err = fmt.Errorf("not formatted (make fmt):\n%s", out)
	}
	return err
}

// lint looks at the code as the tests build it, so that everything that it stands on is compiled once for both.
func (k checker) lint() error {
	path, err := program.Linter.Ensure(k.ctx, k.Instance, k.log)
	if err != nil {
		return err
	}
	packages, err := k.packages()
	if err != nil {
		return err
	}
	flags, err := k.output("go", "env", "GOFLAGS")
	if err != nil {
		return err
	}
	k.log.Say("golangci-lint")
	cmd := k.cmd(path, append([]string{"run", "--allow-parallel-runners"}, packages...)...)
	cmd.Env = append(program.Compiling(), "GOFLAGS="+strings.TrimSpace(flags)+" -race")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// tests runs both halves even when the first fails: a failing unit test often explains a failing journey.
func (k checker) tests(dapr func() error) error {
	sum, err := program.GoTestSum.Ensure(k.ctx, k.Instance, k.log)
	if err != nil {
		return err
	}
	dir := filepath.Join(k.Root, ".sidecart", "test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	unit, system := filepath.Join(dir, "unit.json"), filepath.Join(dir, "system.json")
	for _, old := range []string{unit, system} {
		if err := os.Remove(old); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	packages, err := k.packages("tests")
	if err != nil {
		return err
	}
	if err := k.browser(); err != nil { // now, not after ten minutes
		return err
	}
	k.log.Say("unit tests and API tables")
	first := k.beside(sum, unit, append([]string{"-race", "-vet=off"}, packages...)...)
	if err := dapr(); err != nil {
		return errors.Join(named("unit tests", first), err)
	}
	k.log.Say("tests of the running platform")
	second := k.beside(sum, system, "-race", "-vet=off", "-p", "1", "-timeout", "20m", "-count", "1", "./tests/...")
	k.log.Say("together:")
	third := k.run(sum, "--format", "none", "--hide-summary", "output", "--raw-command", "--", "cat", unit, system)
	return errors.Join(named("unit tests", first), named("tests of the platform", second), named("together", third))
}

// only tests some packages.
func (k checker) only(packages []string) error {
	if slices.ContainsFunc(packages, func(p string) bool { return strings.HasPrefix(filepath.Clean(p), "tests") }) {
		if err := k.browser(); err != nil {
			return err
		}
		if _, err := program.EnsureDapr(k.ctx, k.Instance, k.log); err != nil {
			return err
		}
	}
	sum, err := program.GoTestSum.Ensure(k.ctx, k.Instance, k.log)
	if err != nil {
		return err
	}
	return k.beside(sum, "", append([]string{"-race", "-p", "1", "-timeout", "20m"}, packages...)...)
}

// beside runs go test, under gotestsum, beside a Postgres of its own. The events are kept in jsonFile, if one is named.
func (k checker) beside(gotestsum, jsonFile string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	stripe, err := program.StripeMock.Ensure(k.ctx, k.Instance, k.log)
	if err != nil {
		return err
	}
	if err := os.Setenv("STRIPE_MOCK", stripe); err != nil {
		return err
	}
	all := []string{"test", "--", gotestsum, "--format", "pkgname", "--hide-summary", "skipped"}
	if jsonFile != "" {
		all = append(all, "--jsonfile", jsonFile)
	}
	return k.run(self, append(append(all, "--"), args...)...)
}

// browser tells the tests of the platform which browser to open its pages with.
func (k checker) browser() error {
	path, err := program.Chromium(k.ctx, k.log)
	if err != nil {
		return err
	}
	return os.Setenv("CHROMIUM", path)
}

// packages are the patterns of the workspace's modules, but for those in a folder named.
func (k checker) packages(but ...string) ([]string, error) {
	out, err := k.output("go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, err
	}
	var patterns []string
next:
	for _, dir := range strings.Fields(out) {
		rel, err := filepath.Rel(k.Root, dir)
		if err != nil {
			return nil, err
		}
		for _, b := range but {
			if rel == b {
				continue next
			}
		}
		patterns = append(patterns, "./"+filepath.ToSlash(rel)+"/...")
	}
	return patterns, nil
}

func (k checker) run(name string, args ...string) error {
	cmd := k.cmd(name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

func (k checker) output(name string, args ...string) (string, error) {
	var stderr bytes.Buffer
	cmd := k.cmd(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, stderr.String())
	}
	return string(out), nil
}

// cmd is given time to end by itself when we are asked to: the tests stop platforms that they have started.
func (k checker) cmd(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(k.ctx, name, args...)
	cmd.Dir = k.Root
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	return cmd
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s failed: %w", what, err)
}
