package proc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// HangTimeout is how long a process that was ready may not respond to probes before it is killed. The slowest
// response of a healthy process on a starved machine took 0.24 s (docs/decisions.md).
const HangTimeout = missedProbes * probeEvery

const (
	missedProbes = 5 // in a row
	probeEvery   = 3 * time.Second
	startTimeout = time.Minute // a starting process may wait for others
)

// Supervisor keeps processes running.
type Supervisor struct {
	dir          string // of the instance
	log          func(format string, args ...any)
	onChange     func([]Status)
	backoff      Backoff
	probeEvery   time.Duration // also the timeout of a probe
	startTimeout time.Duration // from then on failed probes count, ready or not

	mu        sync.Mutex
	processes []*process
	reporting sync.Mutex // one report at a time, or an older one could be the last
}

// NewSupervisor supervises processes of the instance in the folder dir. It logs events, and calls onChange (if not nil)
// with the state of all processes whenever one changes.
func NewSupervisor(dir string, log func(string, ...any), onChange func([]Status), b Backoff) *Supervisor {
	return &Supervisor{
		dir: dir, log: log, onChange: onChange, backoff: b, probeEvery: probeEvery, startTimeout: startTimeout,
	}
}

// Start supervises a process until Stop. The end of ctx does not stop it, so that processes can be stopped in order.
func (s *Supervisor) Start(ctx context.Context, spec Spec) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &process{
		spec: spec, super: s, backoff: s.backoff, stop: cancel,
		done: make(chan struct{}), ready: make(chan struct{}),
		status: Status{Name: spec.Name, State: Starting, Ports: spec.Ports, Log: spec.Log},
	}
	s.mu.Lock()
	s.processes = append(s.processes, p)
	s.mu.Unlock()
	go p.supervise(ctx)
}

// WaitReady returns when the process is ready, or an error when ctx ends first.
func (s *Supervisor) WaitReady(ctx context.Context, name string) error {
	p := s.find(name)
	if p == nil {
		return fmt.Errorf("no process %q", name)
	}
	p.mu.Lock()
	ready := p.ready
	p.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s is not ready: see %s", name, p.spec.Log)
	}
}

// Stop ends the named processes concurrently, each within its grace period, and returns when they have exited.
func (s *Supervisor) Stop(names ...string) {
	var wg sync.WaitGroup
	for _, name := range names {
		if p := s.find(name); p != nil {
			wg.Go(func() {
				p.stop()
				<-p.done
			})
		}
	}
	wg.Wait()
}

// Snapshot is the state of every process, in the order in which they were started.
func (s *Supervisor) Snapshot() []Status {
	s.mu.Lock()
	all := slices.Clone(s.processes)
	s.mu.Unlock()
	out := make([]Status, 0, len(all))
	for _, p := range all {
		out = append(out, p.current())
	}
	return out
}

func (s *Supervisor) find(name string) *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.processes, func(p *process) bool { return p.spec.Name == name }); i >= 0 {
		return s.processes[i]
	}
	return nil
}

func (s *Supervisor) report() {
	s.reporting.Lock()
	defer s.reporting.Unlock()
	if s.onChange != nil {
		s.onChange(s.Snapshot())
	}
}

// Backoff is the wait before a restart: Min, doubling up to Max, and Min again after the process ran for Reset.
type Backoff struct {
	Min, Max, Reset time.Duration
	next            time.Duration
}

// DefaultBackoff is the platform's.
func DefaultBackoff() Backoff {
	return Backoff{Min: 200 * time.Millisecond, Max: 5 * time.Second, Reset: 10 * time.Second}
}

// Next is the wait after a run of that duration.
func (b *Backoff) Next(lasted time.Duration) time.Duration {
	if b.next == 0 || lasted >= b.Reset {
		b.next = b.Min
	}
	wait := b.next
	b.next = min(2*b.next, b.Max)
	return wait
}

const holdPollEvery = 100 * time.Millisecond

// Hold makes the supervisor of an instance keep a process down, as long as a file of that name is in the folder hold/.
func Hold(dir, name string) error {
	if err := os.MkdirAll(filepath.Join(dir, "hold"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(holdFile(dir, name), nil, 0o644)
}

// Release ends a hold, if there is one.
func Release(dir, name string) error {
	if err := os.Remove(holdFile(dir, name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// ReleaseAll ends every hold.
func ReleaseAll(dir string) error { return os.RemoveAll(filepath.Join(dir, "hold")) }

func isHeld(dir, name string) bool {
	_, err := os.Stat(holdFile(dir, name))
	return err == nil
}

func holdFile(dir, name string) string { return filepath.Join(dir, "hold", filepath.Base(name)) }
