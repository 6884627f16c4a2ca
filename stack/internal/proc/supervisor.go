package proc

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Supervisor keeps processes alive.
type Supervisor struct {
	dir      string // of the instance
	say      func(format string, args ...any)
	onChange func([]Status)
	backoff  Backoff
	probe    time.Duration // from one probe of a process to the next, and how long each may take
	first    time.Duration // until a process that is not ready has to answer probes

	mu        sync.Mutex
	processes []*process
	reporting sync.Mutex // one report at a time, or an older one could be the last
}

// Hung is how long a process that was ready may be silent: it is killed then. A healthy one that starves answered
// within 0.24 s (measured: docs/decisions.md).
const Hung = missedProbes * probeEvery

const (
	missedProbes = 5 // in a row
	probeEvery   = 3 * time.Second
	startWithin  = time.Minute // it may wait for others
)

// NewSupervisor supervises for the instance whose folder is dir. It tells people what happens with say, and onChange of
// every change of any process.
func NewSupervisor(dir string, say func(string, ...any), onChange func([]Status), b Backoff) *Supervisor {
	return &Supervisor{dir: dir, say: say, onChange: onChange, backoff: b, probe: probeEvery, first: startWithin}
}

// Start begins to keep a process alive, until Stop: it outlives ctx, so that things can be stopped in order.
func (s *Supervisor) Start(ctx context.Context, spec Spec) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &process{
		spec: spec, super: s, backoff: s.backoff, stop: cancel,
		over: make(chan struct{}), ready: make(chan struct{}),
		status: Status{Name: spec.Name, State: Starting, Ports: spec.Ports, Log: spec.Log},
	}
	s.mu.Lock()
	s.processes = append(s.processes, p)
	s.mu.Unlock()
	go p.keep(ctx)
}

// WaitReady returns when the process does its work, or with an error when ctx ends first.
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

// Stop ends the named processes at the same time, each within its grace, and returns when they are gone.
func (s *Supervisor) Stop(names ...string) {
	var wg sync.WaitGroup
	for _, name := range names {
		p := s.find(name)
		if p == nil {
			continue
		}
		wg.Go(func() {
			p.stop()
			<-p.over
		})
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
		p.mu.Lock()
		out = append(out, p.status)
		p.mu.Unlock()
	}
	return out
}

func (s *Supervisor) find(name string) *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.processes {
		if p.spec.Name == name {
			return p
		}
	}
	return nil
}

func (s *Supervisor) changed() {
	s.reporting.Lock()
	defer s.reporting.Unlock()
	if s.onChange != nil {
		s.onChange(s.Snapshot())
	}
}

// A process is held down for as long as a file of its name is in the folder "hold" of the instance: anybody who may write
// there can ask for it, and a look at the folder shows what is asked.

func (s *Supervisor) isHeld(name string) bool {
	_, err := os.Stat(holdFile(s.dir, name))
	return err == nil
}

// Hold asks the supervisor of an instance to keep a process down.
func Hold(dir, name string) error {
	if err := os.MkdirAll(filepath.Join(dir, "hold"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(holdFile(dir, name), nil, 0o644)
}

// Release takes it back. Releasing what is not held does nothing.
func Release(dir, name string) error {
	err := os.Remove(holdFile(dir, name))
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// ReleaseAll forgets every hold, as a new start does.
func ReleaseAll(dir string) error { return os.RemoveAll(filepath.Join(dir, "hold")) }

func holdFile(dir, name string) string { return filepath.Join(dir, "hold", filepath.Base(name)) }
