// Command stack runs the platform on one machine: it finds or builds the programs, starts and supervises them, and stops
// them. `make run` and the tests use it. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
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

  run [--infra] [--race] [--replicas products=2,orders=2] [--components DIR]   run the platform here until Ctrl-C
  start [...]                run it in the background; returns when it is ready
  stop                       stop it, wherever it runs
  infra                      in the background, only what is underneath the services, for "dapr run -f"
  status [--json]            what runs
  logs SERVICE...            follow a service and its sidecar (or postgres, redis, sentry, placement, scheduler, stack)
  hold NAME... / release NAME...   keep a process down / let it come back
  dead-letters [replay|discard ID|all]   what services could not handle; have it handled again, or throw it away
  doctor                     what is there, what is missing, what to do
  reset [--yes]              empty the platform
  test -- COMMAND...         run a command with a throw-away Postgres in TEST_DATABASE_URL
  check [PACKAGE...]         all that "make test" checks, or the tests of some packages
  lint                       only the linter
  audit-deps [-- -db URL]    dependencies: unchanged, and without known weaknesses (asks vuln.go.dev unless told)
  rotate-keys                sign tokens with a new key; those of the old one are good until they expire
  audit-verify [-- -since NUMBER:HASH]   walk the audit's chain and name what was tampered with
  tools cli                  build the pinned Dapr CLI and print where it is
`

// command is what is after "stack": its name, the instance it is about, and what follows.
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
}

func main() {
	// Also when the terminal goes away. A second Ctrl-C ends this program immediately; the kernel then ends its
	// children. A second SIGTERM does not: the kernel may send it more than once when the program ends that this one
	// was started by.
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

// exitCode ends the program without a word: everything was said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprint(os.Stderr, usage)
		return exitCode(2)
	}
	c := command{name: args[0]}
	flags := flag.NewFlagSet("stack "+c.name, flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	name := flags.String("instance", instance.Default, "the name of the instance")
	offset := flags.Int("offset", 0, "added to every port of the instance")
	flags.BoolVar(&c.InfraOnly, "infra", false, "only what is underneath the services")
	race := flags.Bool("race", false, "build the services with the race detector")
	replicas := flags.String("replicas", "", "how many of some services, like products=2,orders=2")
	components := flags.String("components", "", "a folder of components that replace those of components/local")
	flags.BoolVar(&c.json, "json", false, "for programs")
	flags.BoolVar(&c.yes, "yes", false, "do not ask")
	if err := flags.Parse(args[1:]); err != nil {
		return exitCode(2)
	}
	c.args = flags.Args()
	var err error
	if c.Replicas, err = template.ParseReplicas(*replicas); err != nil {
		return err
	}
	root, err := findRoot()
	if err != nil {
		return err
	}
	if c.Instance, err = instance.New(root, *name, *offset); err != nil {
		return err
	}
	c.Race = *race
	if *components != "" {
		if c.Name == instance.Default {
			return errors.New("only an instance of another name than \"run\" has other components")
		}
		if c.Components, err = filepath.Abs(*components); err != nil {
			return err
		}
	}
	return commands[c.name](ctx, c)
}

// findRoot looks above the working folder and then above the program itself, which lives in .sidecart/bin.
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
