// Package progress shows the user at a terminal what a program does and how long it takes.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	slowAfter   = 2 * time.Second // a step that takes longer is logged
	repeatEvery = 5 * time.Second // and again after each of these
)

// Log writes lines that begin with the time since its creation.
type Log struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

// New makes a Log whose clock starts now.
func New(out io.Writer) *Log { return &Log{out: out, start: time.Now()} }

// Elapsed is the time since the Log was made.
func (l *Log) Elapsed() time.Duration { return time.Since(l.start) }

// Printf writes one line.
func (l *Log) Printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, "%8s  %s\n", short(time.Since(l.start)), fmt.Sprintf(format, args...))
}

// Step runs a step. When it takes longer than two seconds, lines show for how long it has run and the next step.
func (l *Log) Step(name, next string, run func() error) error {
	return l.Watch(name, func() string { return "next: " + next }, run)
}

// Watch is Step for a step whose state can be shown meanwhile.
func (l *Log) Watch(name string, state func() string, run func() error) error {
	began, result := time.Now(), make(chan error, 1)
	go func() { result <- run() }()
	timer, slow := time.NewTimer(slowAfter), false
	for {
		select {
		case err := <-result:
			if slow && err == nil {
				l.Printf("%s: done in %s", name, short(time.Since(began)))
			}
			return err
		case <-timer.C:
			slow = true
			l.Printf("%s (%s so far; %s)", name, short(time.Since(began)), state())
			timer.Reset(repeatEvery)
		}
	}
}

func short(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
