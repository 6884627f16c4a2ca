// Command stack runs the platform on one machine: it finds or builds the programs, starts and supervises the processes,
// and stops them. `make run` and the tests use it. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/platform"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/template"
)

const usage = `usage: stack COMMAND [--instance NAME --offset N] ...

  run [--infra] [--race] [--replicas products=2,orders=2] [--components DIR]
                             run the platform until Ctrl-C
  start [...]                run it in the background; returns when it is ready
  stop                       stop it
  infra                      run only the infrastructure in the background, for "dapr run -f"
  status [--json]            list the processes
  logs SERVICE...            follow the logs of a service and its sidecar
                             (or postgres, redis, sentry, placement, scheduler, mailhog, stack)
  hold NAME...               keep processes down
  release NAME...            let them start again
  dead-letters [replay|discard ID|all]
                             list, replay or discard events that a service could not handle
  doctor                     check this machine: programs, disk, memory, ports
  reset [--yes]              delete the platform's data and secrets
  test -- COMMAND...         run a command with a temporary Postgres, its URL in TEST_DATABASE_URL
  check [PACKAGE...]         run all checks of "make test", or the tests of some packages
  lint                       run the linter
  fuzz [NAME...]             run all native fuzz targets, or some, each for FUZZTIME (1m)
  containers [NAME]          run the platform's container images on a private Docker engine: all tests, or some
  audit-deps [-- -db URL]    verify dependencies and look for known vulnerabilities (at vuln.go.dev, or -db)
  audit-verify [-- -since NUMBER:HASH]
                             verify the hash chain of the audit log
  rotate-keys                sign tokens with a new key; tokens of the old one are valid until they expire
  kube start|stop            a Kubernetes of one node in .sidecart/kube
  kube enter COMMAND...      a command in it, such as kubectl
  kube load|apply|validate   import IMAGE...; import the images of a FOLDER and apply it; have its API server check it
  images [-- [-tag TAG] [-docker CLIENT] [-base GO_IMAGE=...] IMAGE...]
                             build and check the images of containers
  tools cli                  build the pinned Dapr CLI and print its path
`

// command is the command line: the command's name, its instance and options.
type command struct {
	instance.Instance
	platform.Options
	name string
	json bool
	yes  bool
	args []string
}

var commands = map[string]func(context.Context, command) error{
	"run": run, "start": start, "stop": stop, "infra": infra, "status": status, "logs": logs, "hold": hold,
	"release": release, "doctor": doctor, "reset": reset, "dead-letters": deadLetters, "test": test, "tools": tools,
	"check": check, "lint": lint, "audit-verify": auditVerify, "rotate-keys": rotateKeys, "audit-deps": auditDeps,
	"fuzz": fuzz, "images": images, "containers": containers, "kube": kube, "kube-init": kubeInit,
}

func main() {
	// SIGHUP: the terminal was closed. A second Ctrl-C ends this program immediately, and the kernel its children.
	// Further SIGTERMs are ignored: the kernel may send several when our parent exits.
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, func() {
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
		cancel()
	})
	err := program.Recover()
	if err == nil {
		err = dispatch(ctx, os.Args[1:])
	}
	var exit exitCode
	switch {
	case errors.As(err, &exit):
		os.Exit(int(exit))
	case err != nil:
		fmt.Fprintln(os.Stderr, "stack:", err)
		os.Exit(1)
	}
}

// exitCode ends the program without a message.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// withExitCode makes the exit code of a command ours.
func withExitCode(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exitCode(max(1, exit.ExitCode()))
	}
	return err
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprint(os.Stderr, usage)
		return exitCode(2)
	}
	c, err := parse(args)
	if err != nil {
		return err
	}
	return commands[c.name](ctx, c)
}

func parse(args []string) (command, error) {
	c := command{name: args[0]}
	flags := flag.NewFlagSet("stack "+c.name, flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	name := flags.String("instance", instance.Default, "")
	offset := flags.Int("offset", 0, "")
	flags.BoolVar(&c.InfraOnly, "infra", false, "")
	race := flags.Bool("race", false, "")
	replicas := flags.String("replicas", "", "")
	components := flags.String("components", "", "")
	flags.BoolVar(&c.json, "json", false, "")
	flags.BoolVar(&c.yes, "yes", false, "")
	if err := flags.Parse(args[1:]); err != nil {
		return c, exitCode(2)
	}
	c.args = flags.Args()
	root, err := findRoot()
	if err != nil {
		return c, err
	}
	if c.Replicas, err = template.ParseReplicas(*replicas); err != nil {
		return c, err
	}
	if c.Instance, err = instance.New(root, *name, *offset); err != nil {
		return c, err
	}
	c.Race = *race
	if *components == "" {
		return c, nil
	}
	if c.Name == instance.Default {
		return c, errors.New("--components needs another instance: --instance NAME --offset N")
	}
	c.Components, err = filepath.Abs(*components)
	return c, err
}

// findRoot looks for the repository around the working folder, then around this program, which is in .sidecart/bin.
func findRoot() (string, error) {
	var tried []string
	for _, from := range []func() (string, error){os.Getwd, os.Executable} {
		dir, err := from()
		if err != nil {
			continue
		}
		if root, err := instance.Root(dir); err == nil {
			return filepath.EvalSymlinks(root)
		}
		tried = append(tried, dir)
	}
	return "", fmt.Errorf("no repository around %s", strings.Join(tried, " or "))
}
