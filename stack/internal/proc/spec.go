// Package proc runs the processes of the platform: it starts them, restarts what dies, stops them in order, and recognises
// those that an earlier life of the platform left behind.
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

// Marker is the environment variable by which the processes of an instance are recognised; its value is the folder.
const Marker = "SIDECART_INSTANCE"

// Spec describes a process that is to run for as long as the platform does.
type Spec struct {
	Name  string
	Path  string
	Args  []string
	Env   []string // beyond what is inherited
	Dir   string
	Log   string
	Ports map[string]int // that it will listen on, by purpose

	Stop  syscall.Signal // how it is asked to end; SIGTERM if zero
	Grace time.Duration  // and how long it may take; 5 s if zero
	Death syscall.Signal // what it gets when the supervisor dies; SIGKILL if zero
	Attr  syscall.SysProcAttr
	Nice  int // how far it gives way to others that want the processor; 0 is not at all, 19 is most

	// Prepare runs before each start.
	Prepare func() error
	// Ready says whether it does its work yet, after each start. Without it, it is ready when it runs.
	Ready func(context.Context) error
	// Alive says whether it still answers. A process that hangs is killed and started again: see Hung.
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
	attr.Setpgid = true // the terminal's Ctrl-C is for the supervisor, which stops things in order
	attr.Pdeathsig = cmp.Or(s.Death, syscall.SIGKILL)
	cmd.SysProcAttr = &attr
	return cmd, log, nil
}

func (s Spec) stopSignal() syscall.Signal { return cmp.Or(s.Stop, syscall.SIGTERM) }

func (s Spec) grace() time.Duration { return cmp.Or(s.Grace, 5*time.Second) }

// reason says in words how a process ended.
func reason(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "exited by itself"
	case errors.As(err, &exit):
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return fmt.Sprintf("killed by signal %d, %s", ws.Signal(), ws.Signal())
		}
		return fmt.Sprintf("exit status %d", exit.ExitCode())
	default:
		return err.Error()
	}
}
