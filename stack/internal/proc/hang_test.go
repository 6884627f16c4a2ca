package proc

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// noResponse is a probe of a server that accepts connections and never responds.
func noResponse(t *testing.T) func(context.Context) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.Addr().String(), nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
}

// TestHangTimeoutIsFifteenSeconds: the failure tests of the whole platform can check it only loosely.
func TestHangTimeoutIsFifteenSeconds(t *testing.T) {
	s := NewSupervisor(t.TempDir(), t.Logf, nil, quick())
	if HangTimeout != 15*time.Second || s.probeEvery*missedProbes != HangTimeout {
		t.Errorf("%s, and %d probes each %s", HangTimeout, missedProbes, s.probeEvery)
	}
}

// TestHungProcessIsReplaced: it responded, then no longer. A stopped process does not get its grace period.
func TestHungProcessIsReplaced(t *testing.T) {
	s := NewSupervisor(t.TempDir(), t.Logf, nil, quick())
	s.probeEvery, s.startTimeout = 20*time.Millisecond, time.Hour
	hangs := noResponse(t)
	var stopped atomic.Bool
	s.Start(t.Context(), Spec{
		Name: "hung", Path: "/bin/sleep", Args: []string{"1000"}, Log: filepath.Join(s.dir, "x.log"), Grace: time.Hour,
		Alive: func(ctx context.Context) error {
			if stopped.Load() {
				return hangs(ctx)
			}
			return nil
		},
	})
	t.Cleanup(func() { s.Stop("hung") })
	first := await(t, s, "hung", func(p Status) bool { return p.State == Running })
	if err := syscall.Kill(first.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped.Store(true)
	await(t, s, "hung", func(p Status) bool { return p.Restarts >= 1 })
	if Exists(first.PID) {
		t.Error("the hung process still runs")
	}
}

// TestStartTimeout: a process that is not ready yet has longer to respond than a ready one, but not for ever.
func TestStartTimeout(t *testing.T) {
	s := NewSupervisor(t.TempDir(), t.Logf, nil, quick())
	s.probeEvery, s.startTimeout = 10*time.Millisecond, 500*time.Millisecond
	began := time.Now()
	never := noResponse(t)
	s.Start(t.Context(), Spec{
		Name: "never", Path: "/bin/sleep", Args: []string{"1000"}, Log: filepath.Join(s.dir, "x.log"),
		Ready: never, Alive: never,
	})
	t.Cleanup(func() { s.Stop("never") })
	await(t, s, "never", func(p Status) bool { return p.Restarts >= 1 })
	if took := time.Since(began); took < s.startTimeout {
		t.Errorf("it was killed after %s", took)
	}
}

// TestOneResponseResetsTheCount of missed probes.
func TestOneResponseResetsTheCount(t *testing.T) {
	s := NewSupervisor(t.TempDir(), t.Logf, nil, quick())
	s.probeEvery = 5 * time.Millisecond
	probes := make(chan struct{}, 100)
	n := 0
	alive := func(context.Context) error {
		n++
		select {
		case probes <- struct{}{}:
		default:
		}
		if n%missedProbes == 1 {
			return nil
		}
		return errors.New("too busy")
	}
	s.Start(t.Context(), Spec{
		Name: "busy", Path: "/bin/sleep", Args: []string{"1000"}, Log: filepath.Join(s.dir, "x.log"), Alive: alive,
	})
	t.Cleanup(func() { s.Stop("busy") })
	for range cap(probes) {
		<-probes
	}
	if p := await(t, s, "busy", func(p Status) bool { return p.State == Running }); p.Restarts != 0 {
		t.Errorf("%d restarts", p.Restarts)
	}
}
