package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"sidecart/stack/internal/proc"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/progress"
)

// checker runs the checks of `make test` in the repository's root.
type checker struct {
	command
	ctx context.Context
	log *progress.Log
}

// check is `make test`: formatting, unit tests and API tables beside a Postgres, the tests of the running platform, the
// linter (with vet in it), and a last line that counts the tests. With packages named it only tests those.
//
// What is compiled is compiled once: the tests come first, and the linter finds what they stand on in Go's cache. What
// the later parts need is made beside the first. The tests of the platform wait much, and the linter works meanwhile.
func check(ctx context.Context, c command) error {
	k := checker{command: c, log: progress.To(os.Stderr)}
	if len(c.args) > 0 {
		k.ctx = ctx
		return k.only(c.args)
	}
	var cancel context.CancelFunc
	k.ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	if err := k.format(); err != nil {
		return err
	}
	var programs, browser, linter errgroup.Group
	programs.Go(func() error { return k.programs(program.CLI, program.Linter) })
	browser.Go(k.browser)
	err := k.unit()
	if notReady := errors.Join(programs.Wait(), browser.Wait()); notReady != nil {
		return errors.Join(err, notReady)
	}
	var said bytes.Buffer
	linter.Go(func() error { return k.lint(&said, 19) })
	err = errors.Join(err, k.platform(), named("together", k.together()))
	k.log.Say("golangci-lint")
	failed := linter.Wait()
	fmt.Print(said.String())
	return errors.Join(err, named("golangci-lint", failed))
}

// programs builds Dapr's own and some tools.
func (k checker) programs(tools ...program.Tool) error {
	if _, err := program.EnsureDapr(k.ctx, k.Instance, k.log); err != nil {
		return err
	}
	for _, tool := range tools {
		if _, err := tool.Ensure(k.ctx, k.Instance, k.log); err != nil {
			return err
		}
	}
	return nil
}

// lint is `make lint`.
func lint(ctx context.Context, c command) error {
	k := checker{command: c, ctx: ctx, log: progress.To(os.Stderr)}
	k.log.Say("golangci-lint")
	return k.lint(os.Stdout, 0)
}

func (k checker) format() error {
	k.log.Say("formatting")
	out, err := k.output("gofmt", "-l", "apps", "kit", "stack", "tests", "tools")
	if err == nil && strings.TrimSpace(out) != "" {
		err = fmt.Errorf("not formatted (make fmt):\n%s", out)
	}
	return err
}

// lint looks at the code as the tests build it, so that everything that it stands on is compiled once for both, and
// gives way to others as far as nice says.
func (k checker) lint(out io.Writer, nice int) error {
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
	cmd := k.cmd(path, append([]string{"run", "--allow-parallel-runners"}, packages...)...)
	cmd.Env = append(program.Compiling(), "GOFLAGS="+strings.TrimSpace(flags)+" -race")
	cmd.Stdout, cmd.Stderr = out, out
	if err := proc.Start(cmd); err != nil {
		return err
	}
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, nice); err != nil {
		return errors.Join(err, cmd.Cancel(), cmd.Wait())
	}
	return cmd.Wait()
}

// events are where a part of the tests keeps what happened in it.
func (k checker) events(part string) string {
	return filepath.Join(k.Root, ".sidecart", "test", part+".json")
}

// unit are the tests that need no platform.
func (k checker) unit() error {
	for _, part := range []string{"unit", "system"} {
		if err := os.MkdirAll(filepath.Dir(k.events(part)), 0o755); err != nil {
			return err
		}
		if err := os.Remove(k.events(part)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	packages, err := k.packages("tests")
	if err != nil {
		return err
	}
	k.log.Say("unit tests and API tables")
	return named("unit tests", k.beside(k.events("unit"), append([]string{"-race", "-vet=off"}, packages...)...))
}

// platform are those that need one. They run even when the first fail: a failing unit test often explains a journey's.
func (k checker) platform() error {
	k.log.Say("tests of the running platform")
	err := k.beside(k.events("system"), "-race", "-vet=off", "-p", "1", "-timeout", "20m", "-count", "1", "./tests/...")
	return named("tests of the platform", err)
}

// together counts all tests.
func (k checker) together() error {
	sum, err := program.GoTestSum.Ensure(k.ctx, k.Instance, k.log)
	if err != nil {
		return err
	}
	k.log.Say("together:")
	return k.run(sum, "--format", "none", "--hide-summary", "output", "--raw-command", "--", "cat", k.events("unit"), k.events("system"))
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
	return k.beside("", append([]string{"-race", "-p", "1", "-timeout", "20m"}, packages...)...)
}

// beside runs go test, under gotestsum, beside a Postgres of its own. The events are kept in jsonFile, if one is named.
func (k checker) beside(jsonFile string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	gotestsum, err := program.GoTestSum.Ensure(k.ctx, k.Instance, k.log)
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
	for _, dir := range strings.Fields(out) {
		rel, err := filepath.Rel(k.Root, dir)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(but, rel) {
			patterns = append(patterns, "./"+filepath.ToSlash(rel)+"/...")
		}
	}
	return patterns, nil
}

func (k checker) run(name string, args ...string) error {
	cmd := k.cmd(name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return proc.Run(cmd)
}

func (k checker) output(name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := k.cmd(name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := proc.Run(cmd); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, stderr.String())
	}
	return stdout.String(), nil
}

// cmd is asked to end when we are, or when we end without being asked. It is given time then: the tests stop platforms
// that they have started.
func (k checker) cmd(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(k.ctx, name, args...)
	cmd.Dir = k.Root
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	return cmd
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s failed: %w", what, err)
}
