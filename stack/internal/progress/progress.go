// Package progress tells a person at a terminal what is going on and for how long it has been.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	patience = 2 * time.Second // what takes longer gets a line
	every    = 5 * time.Second // and another one this often
)

// Log writes lines that begin with the time since it was made.
type Log struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

// To makes a Log whose clock starts now.
func To(out io.Writer) *Log { return &Log{out: out, start: time.Now()} }

// Elapsed is the time since the Log was made.
func (l *Log) Elapsed() time.Duration { return time.Since(l.start) }

// Say writes one line.
func (l *Log) Say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, "%8s  %s\n", short(time.Since(l.start)), fmt.Sprintf(format, args...))
}

// Step begins something that may take a while; the returned function ends it. Once it takes longer than two seconds it is
// said what it is, for how long it has been, and what comes after it. Quick steps are never mentioned.
func (l *Log) Step(what, next string) (done func(error)) {
	return l.Watch(what, func() string { return "next: " + next })
}

// Watch is Step for something whose state can be looked at meanwhile.
func (l *Log) Watch(what string, state func() string) (done func(error)) {
	began, over := time.Now(), make(chan struct{})
	told := make(chan bool, 1)
	go l.tell(what, state, began, over, told)
	return func(err error) {
		close(over)
		if slow := <-told; slow && err == nil {
			l.Say("%s: done in %s", what, short(time.Since(began)))
		}
	}
}

func (l *Log) tell(what string, state func() string, began time.Time, over <-chan struct{}, told chan<- bool) {
	slow, wait := false, time.NewTimer(patience)
	defer wait.Stop()
	for {
		select {
		case <-over:
			told <- slow
			return
		case <-wait.C:
			slow = true
			l.Say("%s (%s so far; %s)", what, short(time.Since(began)), state())
			wait.Reset(every)
		}
	}
}

func short(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
