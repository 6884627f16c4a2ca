package proc

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// States of a process.
const (
	Starting = "starting" // runs, not ready yet
	Running  = "running"  // does its work
	Waiting  = "waiting"  // died; will be started again
	Held     = "held"     // kept down on request
	Stopped  = "stopped"
)

// Status is what can be known about a process from outside.
type Status struct {
	Name     string         `json:"name"`
	State    string         `json:"state"`
	PID      int            `json:"pid,omitempty"` // 0 while it is down
	Restarts int            `json:"restarts"`
	Since    time.Time      `json:"since"` // of the state
	Ports    map[string]int `json:"ports,omitempty"`
	Log      string         `json:"log"`
}

// process is one Spec being kept alive.
type process struct {
	spec    Spec
	super   *Supervisor
	backoff Backoff
	stop    context.CancelFunc
	over    chan struct{} // closed when it will not be started any more

	mu     sync.Mutex
	status Status
	ready  chan struct{} // closed while it is ready
}

// keep starts the process and starts it again, until ctx ends.
func (p *process) keep(ctx context.Context) {
	defer close(p.over)
	for p.released(ctx) {
		began := time.Now()
		err := p.live(ctx)
		if ctx.Err() != nil {
			break
		}
		if errors.Is(err, errHeld) {
			continue
		}
		wait := p.backoff.Next(time.Since(began))
		p.set(Waiting, 0)
		p.super.say("%s died (%s); starting it again in %s%s", p.spec.Name, reason(err), wait, p.lastWords(err))
		p.mu.Lock()
		p.status.Restarts++
		p.mu.Unlock()
		p.sleep(ctx, wait)
	}
	p.set(Stopped, 0)
}

var (
	errHeld = errors.New("held")
	errHung = fmt.Errorf("hung: no answer for %s", Hung)
)

// exit is the end of a life.
type exit struct{ err error }

// live is one life of the process. It gives the reason for its end.
func (p *process) live(ctx context.Context) error {
	if p.spec.Prepare != nil {
		if err := p.spec.Prepare(); err != nil {
			return err
		}
	}
	cmd, log, err := p.spec.command(p.super.dir)
	if err != nil {
		return err
	}
	err = Start(cmd)
	log.Close()
	if err != nil {
		return err
	}
	if p.spec.Nice > 0 { // its whole group, which is all of its threads; those to come are as those before
		if err := syscall.Setpriority(syscall.PRIO_PGRP, cmd.Process.Pid, p.spec.Nice); err != nil {
			p.super.say("%s gives way to nobody: %v", p.spec.Name, err)
		}
	}
	died := make(chan exit, 1)
	go func() { died <- exit{cmd.Wait()} }()
	p.set(Starting, cmd.Process.Pid)

	life, end := context.WithCancel(ctx)
	defer end()
	go p.awaitReady(life)
	hung := p.watch(life)
	select {
	case e := <-died:
		return e.err
	case <-hung:
		// A program in Go writes where its goroutines are, Postgres ends its children. SIGCONT lets a stopped one do so.
		p.end(cmd, died, syscall.SIGQUIT, syscall.SIGCONT)
		return errHung
	case <-p.held(life):
		p.end(cmd, died, p.spec.stopSignal())
		return errHeld
	case <-ctx.Done():
		p.end(cmd, died, p.spec.stopSignal())
		return ctx.Err()
	}
}

// end asks the process to stop, and makes it when it takes too long.
func (p *process) end(cmd *exec.Cmd, died <-chan exit, signals ...syscall.Signal) {
	for _, s := range signals {
		_ = cmd.Process.Signal(s)
	}
	select {
	case <-died:
	case <-time.After(p.spec.grace()):
		p.super.say("%s does not stop; killing it", p.spec.Name)
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Process.Kill()
		<-died
	}
}

func (p *process) awaitReady(ctx context.Context) {
	began := time.Now()
	for p.spec.Ready != nil {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := p.spec.Ready(try)
		cancel()
		if err == nil {
			break
		}
		if !p.sleep(ctx, 50*time.Millisecond) {
			return
		}
	}
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	again := p.status.Restarts > 0
	p.mu.Unlock()
	p.set(Running, -1)
	if again {
		p.super.say("%s is back (%.1fs after its start)", p.spec.Name, time.Since(began).Seconds())
	}
}

// watch closes the channel when the process hangs: when it misses missedProbes probes in a row once it is ready, or
// once it has had the time that a start may take.
func (p *process) watch(ctx context.Context) <-chan struct{} {
	hung := make(chan struct{})
	if p.spec.Alive == nil {
		return hung
	}
	go func() {
		began, missed := time.Now(), 0
		for round := time.Tick(p.super.probe); ; {
			try, cancel := context.WithTimeout(ctx, p.super.probe)
			err := p.spec.Alive(try)
			cancel()
			switch {
			case err == nil:
				missed = 0
			case p.isReady() || time.Since(began) > p.super.first:
				missed++
			}
			if missed == missedProbes {
				close(hung)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-round:
			}
		}
	}()
	return hung
}

func (p *process) isReady() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status.State == Running
}

// held closes the channel when somebody asks to keep the process down.
func (p *process) held(ctx context.Context) <-chan struct{} {
	asked := make(chan struct{})
	go func() {
		for p.sleep(ctx, 100*time.Millisecond) {
			if p.super.isHeld(p.spec.Name) {
				close(asked)
				return
			}
		}
	}()
	return asked
}

// released waits until nobody wants the process down. It is false when ctx ended first.
func (p *process) released(ctx context.Context) bool {
	for p.super.isHeld(p.spec.Name) {
		p.mu.Lock()
		news := p.status.State != Held
		p.mu.Unlock()
		if news {
			p.set(Held, 0)
			p.super.say("%s is held down", p.spec.Name)
		}
		if !p.sleep(ctx, 100*time.Millisecond) {
			return false
		}
	}
	return ctx.Err() == nil
}

// lastWords is the last line of the log of a process that ended by itself: it often says why.
func (p *process) lastWords(err error) string {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() < 0 {
		return ""
	}
	line := lastLine(p.spec.Log)
	if line == "" {
		return ""
	}
	return ". Its last words: " + line
}

func (p *process) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// set records a state; a negative pid leaves the pid as it was.
func (p *process) set(state string, pid int) {
	p.mu.Lock()
	if p.status.State == Running && state != Running {
		p.ready = make(chan struct{})
	}
	if p.status.State != Running && state == Running {
		close(p.ready)
	}
	p.status.State, p.status.Since = state, time.Now()
	if pid >= 0 {
		p.status.PID = pid
	}
	p.mu.Unlock()
	p.super.changed()
}
