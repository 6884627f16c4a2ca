// Package proc supervises the processes of the platform: it starts them, restarts those that exit or hang, and stops
// them in order. It also finds processes that an earlier run left behind.
package proc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Marker is the environment variable by which the processes of an instance are found; its value is the instance's
// folder.
const Marker = "SIDECART_INSTANCE"

// Spec describes a process to supervise.
type Spec struct {
	Name  string
	Path  string
	Args  []string
	Env   []string // in addition to the inherited one
	Dir   string
	Log   string
	Ports map[string]int // that it listens on, by purpose

	Stop  syscall.Signal // ends it; default SIGTERM
	Grace time.Duration  // until it is killed after Stop; default 5 s
	Death syscall.Signal // sent by the kernel when the supervisor exits; default SIGKILL
	Attr  syscall.SysProcAttr
	Nice  int // scheduling priority, 0 to 19 (lowest)

	// Prepare runs before each start.
	Prepare func() error
	// Ready reports whether the process does its work, after each start. Without it, a started process is ready.
	Ready func(context.Context) error
	// Alive reports whether the process still responds. One that does not is killed and restarted: see HangTimeout.
	Alive func(context.Context) error
}

func (s Spec) command(dir string) (*exec.Cmd, *os.File, error) {
	if err := os.MkdirAll(filepath.Dir(s.Log), 0o755); err != nil {
		return nil, nil, err
	}
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(s.Path, s.Args...)
	cmd.Env = append(append(os.Environ(), s.Env...), Marker+"="+dir)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, log, log
	attr := s.Attr
	attr.Setpgid = true // Ctrl-C in the terminal reaches only the supervisor, which stops processes in order
	attr.Pdeathsig = cmp.Or(s.Death, syscall.SIGKILL)
	cmd.SysProcAttr = &attr
	return cmd, log, nil
}

// exitReason describes how a process ended.
func exitReason(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "exit status 0"
	case errors.As(err, &exit):
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return fmt.Sprintf("killed by signal %d, %s", ws.Signal(), ws.Signal())
		}
		return fmt.Sprintf("exit status %d", exit.ExitCode())
	default:
		return err.Error()
	}
}
