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
	"strconv"
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

// check is `make test`: formatting, unit tests and API tables with a Postgres, tests of the running platform, the
// linter (which includes vet), and a summary. With arguments, it tests only those packages.
//
// Code is compiled once: the tests run first, and the linter finds their packages in Go's cache. Missing programs are
// built during the unit tests, and the linter works during the tests of the platform, which mostly wait.
func check(ctx context.Context, c command) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k := checker{command: c, ctx: ctx, log: progress.New(os.Stderr)}
	if len(c.args) > 0 {
		return k.testPackages()
	}
	if err := k.checkFormat(); err != nil {
		return err
	}
	var programs, linter errgroup.Group
	programs.Go(func() error { return k.ensure(program.CLI, program.Linter) })
	programs.Go(k.setPrograms)
	err := k.unitTests()
	if missing := programs.Wait(); missing != nil {
		return errors.Join(err, missing)
	}
	var output bytes.Buffer
	linter.Go(func() error { return errors.Join(k.lint(&output, 19), k.lintDocument(&output)) })
	// The tests of the platform run even when unit tests fail: a failing unit test often explains an end-to-end test's
	// failure.
	err = errors.Join(err, k.platformTests(), failed("summary", k.summary()))
	k.log.Printf("golangci-lint")
	lintErr := linter.Wait()
	fmt.Print(output.String())
	return errors.Join(err, failed("golangci-lint", lintErr))
}

// ensure builds Dapr's programs and tools.
func (k checker) ensure(tools ...program.Tool) error {
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
	k := checker{command: c, ctx: ctx, log: progress.New(os.Stderr)}
	k.log.Printf("golangci-lint")
	return errors.Join(k.lint(os.Stdout, 0), k.lintDocument(os.Stdout))
}

func (k checker) checkFormat() error {
	k.log.Printf("formatting")
	out, err := k.output("gofmt", "-l", "apps", "kit", "stack", "tests", "tools")
	if err == nil && strings.TrimSpace(out) != "" {
		err = fmt.Errorf("not formatted (run `make fmt`):\n%s", out)
	}
	return err
}

// lint checks the code with the build flags of the tests, so that packages are compiled once for both.
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
	args := []string{"-n", strconv.Itoa(nice), path, "run", "--allow-parallel-runners"}
	cmd := k.cmd("nice", append(args, packages...)...)
	cmd.Env = append(program.BuildEnv(), "GOFLAGS="+strings.TrimSpace(flags)+" -race")
	cmd.Stdout, cmd.Stderr = out, out
	return proc.Run(cmd)
}

// lintDocument lints the API's document on a machine that has Node.js.
func (k checker) lintDocument(out io.Writer) error {
	const document = "docs/openapi.json"
	redocly, err := program.Redocly(k.ctx, k.Instance, k.log)
	if errors.Is(err, program.ErrMissing) {
		k.log.Printf("%s is not linted: %v", document, err)
		return nil
	}
	if err != nil {
		return err
	}
	k.log.Printf("redocly lint %s", document)
	cmd := k.cmd(redocly, "lint", "--config", "tools/openapi/redocly.yaml", document)
	cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
	cmd.Stdout, cmd.Stderr = out, out
	return failed("redocly", proc.Run(cmd))
}

// eventsFile has the test events of one part, for the summary.
func (k checker) eventsFile(part string) string {
	return filepath.Join(k.Root, ".sidecart", "test", part+".json")
}

// unitTests are the tests that need no platform.
func (k checker) unitTests() error {
	dir := filepath.Dir(k.eventsFile("unit"))
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	packages, err := k.packages("tests")
	if err != nil {
		return err
	}
	k.log.Printf("unit tests and API tables")
	err = failed("unit tests", k.goTest("unit", append([]string{"-race", "-vet=off"}, packages...)...))
	return errors.Join(err, failed("the files of Kubernetes", k.kubernetesTests()))
}

// kubernetesTests are those of tools/kubernetes, whose dependencies would change the versions of the workspace.
func (k checker) kubernetesTests() error {
	k.log.Printf("files of Kubernetes: schemas and topology")
	cmd := k.cmd("go", "test", "-C", "tools/kubernetes", "./...")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return proc.Run(cmd)
}

func (k checker) platformTests() error {
	k.log.Printf("tests of the running platform")
	err := k.goTest("system", "-race", "-vet=off", "-p", "1", "-timeout", "20m", "-count", "1", "./tests/...")
	return failed("tests of the platform", err)
}

// summary counts all tests.
func (k checker) summary() error {
	gotestsum, err := program.GoTestSum.Ensure(k.ctx, k.Instance, k.log)
	if err != nil {
		return err
	}
	k.log.Printf("all tests:")
	return k.run(gotestsum, "--format", "none", "--hide-summary", "output", "--raw-command", "--",
		"cat", k.eventsFile("unit"), k.eventsFile("system"))
}

// testPackages tests the packages of the arguments.
func (k checker) testPackages() error {
	needsPlatform := func(p string) bool { return strings.HasPrefix(filepath.Clean(p), "tests") }
	if slices.ContainsFunc(k.args, needsPlatform) {
		if err := errors.Join(k.setPrograms(), k.ensure()); err != nil {
			return err
		}
	}
	return k.goTest("", append([]string{"-race", "-p", "1", "-timeout", "20m"}, k.args...)...)
}

// goTest runs go test under gotestsum, with a temporary Postgres. It writes the part's events file, if part is named.
func (k checker) goTest(part string, args ...string) error {
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
	if part != "" {
		all = append(all, "--jsonfile", k.eventsFile(part))
	}
	return k.run(self, append(append(all, "--"), args...)...)
}

// setPrograms sets the paths of a browser and of axe-core for the end-to-end test, and of nginx.
func (k checker) setPrograms() error {
	path, err := program.Chromium(k.ctx, k.log)
	if err != nil {
		return err
	}
	nginx, err := program.Nginx(k.ctx, k.log)
	if err != nil {
		return err
	}
	axe, err := program.Axe(k.ctx, k.Instance, k.log)
	if err != nil && !errors.Is(err, program.ErrMissing) {
		return err
	}
	return errors.Join(os.Setenv("CHROMIUM", path), os.Setenv("AXE", axe), os.Setenv("NGINX", nginx))
}

// packages are the package patterns of the workspace's modules, except the named folders.
func (k checker) packages(except ...string) ([]string, error) {
	out, err := k.output("go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, err
	}
	var patterns []string
	for dir := range strings.FieldsSeq(out) {
		rel, err := filepath.Rel(k.Root, dir)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(except, rel) {
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

// cmd gets SIGTERM when we are interrupted or killed, and then has time: tests stop the platforms that they started.
func (k checker) cmd(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(k.ctx, name, args...)
	cmd.Dir = k.Root
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	return cmd
}

func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s failed: %w", what, err)
}
