package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sidecart/stack/internal/database"
	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/proc"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/progress"
)

// firstTestPort is below the kernel's range for outgoing connections, and no platform of the tests uses it.
const firstTestPort = 24432

// test runs a command with a temporary Postgres server. The command finds the superuser's URL in TEST_DATABASE_URL; its
// exit code becomes ours.
func test(ctx context.Context, c command) error {
	if len(c.args) == 0 {
		return errors.New("name a command, for example: stack test -- go test ./kit/...")
	}
	removeOrphans(c.Instance)
	log := progress.New(os.Stderr)
	bin, _, err := program.Servers(ctx, log)
	if err != nil {
		return err
	}
	dir := filepath.Join(c.Root, ".sidecart", "unit-"+strconv.Itoa(os.Getpid()))
	defer os.RemoveAll(dir)
	server, super, err := startTestPostgres(ctx, bin, dir, log)
	if err != nil {
		return err
	}
	defer super.Stop("postgres")

	// The command runs in its own process group, which gets an interrupt for each signal that we get.
	ctx, cancel := signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "TEST_DATABASE_URL="+server.URL("postgres"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 20 * time.Second
	err = proc.Run(cmd)
	if ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what is left of the group
	}
	return withExitCode(err)
}

func startTestPostgres(ctx context.Context, bin, dir string, log *progress.Log) (
	server database.Server, super *proc.Supervisor, err error,
) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return server, nil, err
	}
	port, err := freePort(ctx, firstTestPort)
	if err != nil {
		return server, nil, err
	}
	server = database.Server{
		Bin: bin, Data: filepath.Join(dir, "postgres"), Port: port, Password: "test",
		Log: filepath.Join(dir, "postgres.log"),
	}
	if err := server.Init(ctx); err != nil {
		return server, nil, err
	}
	spec, err := server.Spec("postgres")
	if err != nil {
		return server, nil, err
	}
	super = proc.NewSupervisor(dir, log.Printf, nil, proc.DefaultBackoff())
	super.Start(ctx, spec)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := super.WaitReady(ctx, "postgres"); err != nil {
		super.Stop("postgres")
		return server, nil, fmt.Errorf("%w\n%s", err, proc.Tail(spec.Log, 2000))
	}
	return server, super, nil
}

// freePort returns one of a hundred ports. It begins at another one in each process, so that two processes that start
// at the same time do not choose the same.
func freePort(ctx context.Context, from int) (int, error) {
	for i := range 100 {
		p := from + (os.Getpid()+i)%100
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err == nil {
			return p, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port from %d to %d", from, from+99)
}

// removeOrphans removes what killed test runs left behind.
func removeOrphans(i instance.Instance) {
	dirs, _ := filepath.Glob(filepath.Join(i.Root, ".sidecart", "unit-*"))
	for _, dir := range dirs {
		_, pid, _ := strings.Cut(filepath.Base(dir), "-")
		if n, err := strconv.Atoi(pid); err == nil && !proc.Exists(n) {
			if _, err := proc.EndOrphans(dir); err == nil {
				_ = os.RemoveAll(dir)
			}
		}
	}
}
