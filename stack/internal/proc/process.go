package proc

import (
	"cmp"
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
	Starting = "starting" // started, not ready yet
	Running  = "running"  // ready
	Waiting  = "waiting"  // exited; will be restarted
	OnHold   = "held"     // stopped on request
	Stopped  = "stopped"
)

// Status is the state of a process as state.json has it.
type Status struct {
	Name     string         `json:"name"`
	State    string         `json:"state"`
	PID      int            `json:"pid,omitempty"` // 0 while it is down
	Restarts int            `json:"restarts"`
	Since    time.Time      `json:"since"` // of the state
	Ports    map[string]int `json:"ports,omitempty"`
	Log      string         `json:"log"`
}

// process is one supervised Spec.
type process struct {
	spec    Spec
	super   *Supervisor
	backoff Backoff
	stop    context.CancelFunc
	done    chan struct{} // closed when it will not be restarted any more

	mu     sync.Mutex
	status Status
	ready  chan struct{} // closed while it is ready
}

var (
	errHeld = errors.New("held")
	errHung = fmt.Errorf("hung: no response for %s", HangTimeout)
)

// exit is the end of a process. The reason is nil for exit status 0.
type exit struct{ reason error }

// supervise starts the process and restarts it until ctx ends.
func (p *process) supervise(ctx context.Context) {
	defer close(p.done)
	for p.waitReleased(ctx) {
		began := time.Now()
		err := p.runOnce(ctx)
		if ctx.Err() != nil {
			break
		}
		if errors.Is(err, errHeld) {
			continue
		}
		wait := p.backoff.Next(time.Since(began))
		p.set(Waiting, 0)
		p.super.log("%s exited (%s); restarting it in %s%s", p.spec.Name, exitReason(err), wait, p.lastLogLine(err))
		p.mu.Lock()
		p.status.Restarts++
		p.mu.Unlock()
		sleep(ctx, wait)
	}
	p.set(Stopped, 0)
}

// runOnce starts the process and waits for its end, whose reason it returns.
func (p *process) runOnce(ctx context.Context) error {
	cmd, err := p.start()
	if err != nil {
		return err
	}
	exited := make(chan exit, 1)
	go func() { exited <- exit{cmd.Wait()} }()
	p.set(Starting, cmd.Process.Pid)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go p.awaitReady(ctx)
	stop := cmp.Or(p.spec.Stop, syscall.SIGTERM)
	select {
	case e := <-exited:
		return e.reason
	case <-p.watchAlive(ctx):
		// A Go program writes its goroutines to its log, Postgres ends its children. SIGCONT lets a stopped process do
		// so.
		p.end(cmd, exited, syscall.SIGQUIT, syscall.SIGCONT)
		return errHung
	case <-p.watchHold(ctx):
		p.end(cmd, exited, stop)
		return errHeld
	case <-ctx.Done():
		p.end(cmd, exited, stop)
		return ctx.Err()
	}
}

func (p *process) start() (*exec.Cmd, error) {
	if p.spec.Prepare != nil {
		if err := p.spec.Prepare(); err != nil {
			return nil, err
		}
	}
	cmd, log, err := p.spec.command(p.super.dir)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if err := Start(cmd); err != nil {
		return nil, err
	}
	if p.spec.Nice > 0 { // for the process group: all threads, and those to come inherit it
		if err := syscall.Setpriority(syscall.PRIO_PGRP, cmd.Process.Pid, p.spec.Nice); err != nil {
			p.super.log("%s runs at normal priority: %v", p.spec.Name, err)
		}
	}
	return cmd, nil
}

// end signals the process, and kills its group when it does not exit within its grace period.
func (p *process) end(cmd *exec.Cmd, exited <-chan exit, signals ...syscall.Signal) {
	for _, s := range signals {
		_ = cmd.Process.Signal(s)
	}
	select {
	case <-exited:
	case <-time.After(cmp.Or(p.spec.Grace, 5*time.Second)):
		p.super.log("%s does not stop; killing it", p.spec.Name)
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Process.Kill()
		<-exited
	}
}

func (p *process) awaitReady(ctx context.Context) {
	began := time.Now()
	for p.spec.Ready != nil && ctx.Err() == nil && probe(ctx, 2*time.Second, p.spec.Ready) != nil {
		sleep(ctx, 50*time.Millisecond)
	}
	if ctx.Err() != nil {
		return
	}
	p.set(Running, -1)
	if p.current().Restarts > 0 {
		p.super.log("%s is ready again (%.1fs after its restart)", p.spec.Name, time.Since(began).Seconds())
	}
}

// watchAlive returns a channel that is closed when the process hangs: when missedProbes probes in a row failed.
// Failures count once the process is ready, or has used up the time for its start.
func (p *process) watchAlive(ctx context.Context) <-chan struct{} {
	hung := make(chan struct{})
	if p.spec.Alive == nil {
		return hung
	}
	go func() {
		began, missed := time.Now(), 0
		for tick := time.Tick(p.super.probeEvery); ; {
			switch err := probe(ctx, p.super.probeEvery, p.spec.Alive); {
			case err == nil:
				missed = 0
			case p.current().State == Running || time.Since(began) > p.super.startTimeout:
				missed++
			}
			if missed == missedProbes {
				close(hung)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick:
			}
		}
	}()
	return hung
}

func probe(ctx context.Context, timeout time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return call(ctx)
}

// watchHold returns a channel that is closed when the process is put on hold.
func (p *process) watchHold(ctx context.Context) <-chan struct{} {
	held := make(chan struct{})
	go func() {
		for sleep(ctx, holdPollEvery) {
			if isHeld(p.super.dir, p.spec.Name) {
				close(held)
				return
			}
		}
	}()
	return held
}

// waitReleased waits until the process is not on hold. It returns false when ctx ended first.
func (p *process) waitReleased(ctx context.Context) bool {
	for isHeld(p.super.dir, p.spec.Name) {
		if p.current().State != OnHold {
			p.set(OnHold, 0)
			p.super.log("%s is on hold", p.spec.Name)
		}
		if !sleep(ctx, holdPollEvery) {
			return false
		}
	}
	return ctx.Err() == nil
}

// lastLogLine is the last line of the log of a process that exited without being stopped: it often has the reason.
func (p *process) lastLogLine(err error) string {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() < 0 {
		return ""
	}
	if line := lastLine(p.spec.Log); line != "" {
		return ". Last log line: " + line
	}
	return ""
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *process) current() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
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
	p.super.report()
}
