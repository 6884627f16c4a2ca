package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"sidecart/stack/internal/proc"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/progress"
)

// containers is `make test-containers`. It finds, installs or builds what tests/containers needs, and runs it: an
// argument is a pattern of test names. The test has no go command between it and us, so it gets our signals.
func containers(ctx context.Context, c command) error {
	k := checker{command: c, ctx: ctx, log: progress.New(os.Stderr)}
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return errors.New("the private Docker engine has namespaces of its own, which only root can make, on Linux: " +
			"run this with sudo, or in a virtual machine")
	}
	if err := program.Engine(ctx, k.log); err != nil {
		return err
	}
	dapr, err := program.EnsureDapr(ctx, c.Instance, k.log)
	if err != nil {
		return err
	}
	compose, err := program.Compose.Ensure(ctx, c.Instance, k.log)
	if err != nil {
		return err
	}
	binary := filepath.Join(c.Root, ".sidecart", "bin", "containers.test")
	err = k.log.Step("building tests/containers", "starting the engine", func() error {
		_, err := program.Go(ctx, c.Root, nil, "test", "-c", "-o", binary, "./tests/containers")
		return err
	})
	if err != nil {
		return err
	}
	goroot, err := k.output("go", "env", "GOROOT")
	if err != nil {
		return err
	}
	pattern := "."
	if len(c.args) > 0 {
		pattern = c.args[0]
	}
	cmd := k.cmd(binary, "-test.v", "-test.count", "1", "-test.timeout", "2h", "-test.run", pattern)
	cmd.Dir = filepath.Join(c.Root, "tests", "containers")
	cmd.Env = append(os.Environ(), "SIDECART_CONTAINERS=start", "COMPOSE="+compose,
		"DAPR_DIR="+filepath.Dir(dapr.Daprd), "GOROOT="+strings.TrimSpace(goroot))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return withExitCode(proc.Run(cmd))
}
