package proc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	b := Backoff{Min: 200 * time.Millisecond, Max: time.Second, Reset: 30 * time.Second}
	var got []time.Duration
	for _, lasted := range []time.Duration{0, 0, 0, 0, 29 * time.Second, 30 * time.Second, 0} {
		got = append(got, b.Next(lasted))
	}
	want := "[200ms 400ms 800ms 1s 1s 200ms 400ms]"
	if fmt.Sprint(got) != want {
		t.Errorf("waits %v, want %s", got, want)
	}
}

func TestKilledProcessIsRestarted(t *testing.T) {
	s, logged := supervise(t, Spec{Name: "sleeper", Path: "/bin/sleep", Args: []string{"1000"}})
	first := await(t, s, "sleeper", func(p Status) bool { return p.State == Running })
	kill(t, first.PID)
	again := await(t, s, "sleeper", func(p Status) bool { return p.State == Running && p.PID != first.PID })
	if again.Restarts != 1 {
		t.Errorf("restarts %d, want 1", again.Restarts)
	}
	if !logged("sleeper exited (killed by signal 9") {
		t.Error("the exit was not logged")
	}
}

// TestNice: the process runs with its priority, also after a restart.
func TestNice(t *testing.T) {
	s, _ := supervise(t, Spec{Name: "nice", Path: "/bin/sleep", Args: []string{"1000"}, Nice: 5})
	first := await(t, s, "nice", func(p Status) bool { return p.State == Running })
	for _, want := range []int{first.PID, 0} {
		now := await(t, s, "nice", func(p Status) bool {
			return p.State == Running && (want != 0 || p.PID != first.PID)
		})
		deadline := time.Now().Add(10 * time.Second)
		for {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", now.PID))
			if err != nil {
				t.Fatal(err)
			}
			_, after, _ := strings.Cut(string(text), ") ")
			if got := strings.Fields(after)[16]; got == "5" {
				break
			} else if time.Now().After(deadline) {
				t.Fatalf("nice %s", got)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if want != 0 {
			kill(t, first.PID)
		}
	}
}

func TestCrashLoopWaitsLongerEachTime(t *testing.T) {
	s, logged := supervise(t, Spec{Name: "crasher", Path: "/bin/sh", Args: []string{"-c", "echo no database; exit 3"}})
	await(t, s, "crasher", func(p Status) bool { return p.Restarts >= 4 })
	for _, want := range []string{
		"restarting it in 10ms", "in 20ms", "in 40ms", "exit status 3", "Last log line: no database",
	} {
		if !logged(want) {
			t.Errorf("not logged: %s", want)
		}
	}
}

func TestHoldAndRelease(t *testing.T) {
	s, _ := supervise(t, Spec{Name: "sleeper", Path: "/bin/sleep", Args: []string{"1000"}})
	first := await(t, s, "sleeper", func(p Status) bool { return p.State == Running })
	if err := Hold(s.dir, "sleeper"); err != nil {
		t.Fatal(err)
	}
	await(t, s, "sleeper", func(p Status) bool { return p.State == OnHold && p.PID == 0 })
	if Exists(first.PID) {
		t.Error("the held process still runs")
	}
	if err := Release(s.dir, "sleeper"); err != nil {
		t.Fatal(err)
	}
	await(t, s, "sleeper", func(p Status) bool { return p.State == Running && p.PID != 0 })
}

// TestReportsAreInOrder: when processes change concurrently, the last report is the newest.
func TestReportsAreInOrder(t *testing.T) {
	var mu sync.Mutex
	var last []Status
	s := NewSupervisor(t.TempDir(), t.Logf, func(all []Status) {
		time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) // like writing a file
		mu.Lock()
		defer mu.Unlock()
		last = all
	}, quick())
	var names []string
	for n := range 20 {
		names = append(names, fmt.Sprint(n))
		log := filepath.Join(s.dir, "x.log")
		s.Start(t.Context(), Spec{Name: names[n], Path: "/bin/sleep", Args: []string{"1000"}, Log: log})
	}
	for _, name := range names {
		if err := s.WaitReady(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	s.Stop(names...)
	mu.Lock()
	defer mu.Unlock()
	for _, p := range last {
		if p.State != Stopped {
			t.Errorf("%s has stopped, and was last reported as %s", p.Name, p.State)
		}
	}
}

func TestStopKillsAfterTheGracePeriod(t *testing.T) {
	s, logged := supervise(t, Spec{
		Name: "stubborn", Path: "/bin/sh", Args: []string{"-c", "trap '' TERM; while :; do sleep 0.05; done"},
		Grace: 100 * time.Millisecond,
	})
	p := await(t, s, "stubborn", func(p Status) bool { return p.State == Running })
	time.Sleep(50 * time.Millisecond) // for the trap
	s.Stop("stubborn")
	if Exists(p.PID) || !logged("stubborn does not stop") {
		t.Errorf("still there: %v", Exists(p.PID))
	}
}

func TestWaitReady(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "flag")
	ready := func(context.Context) error {
		_, err := os.Stat(flag)
		return err
	}
	s, _ := supervise(t, Spec{Name: "slow", Path: "/bin/sleep", Args: []string{"1000"}, Ready: ready})
	await(t, s, "slow", func(p Status) bool { return p.State == Starting && p.PID != 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.WaitReady(ctx, "slow"); err == nil {
		t.Error("ready too early")
	}
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitReady(t.Context(), "slow"); err != nil {
		t.Error(err)
	}
}

func TestOrphansAreFoundByTheirMarkerAndEnded(t *testing.T) {
	dir := t.TempDir()
	marked, other := exec.Command("/bin/sleep", "1000"), exec.Command("/bin/sleep", "1000")
	marked.Env, other.Env = []string{Marker + "=" + dir}, []string{Marker + "=" + dir + "/other"}
	for _, c := range []*exec.Cmd{marked, other} {
		if err := Start(c); err != nil {
			t.Fatal(err)
		}
		go func() { _ = c.Wait() }()
		t.Cleanup(func() { _ = c.Process.Kill() })
	}
	// Between fork and exec a child still has our environment.
	for began := time.Now(); len(orphans(dir)) == 0 && time.Since(began) < 5*time.Second; {
		time.Sleep(5 * time.Millisecond)
	}
	if n, err := EndOrphans(dir); n != 1 || err != nil {
		t.Errorf("ended %d, %v; want 1", n, err)
	}
	if !Exists(other.Process.Pid) {
		t.Error("a process of another instance was ended")
	}
}

func TestTruncateMovesTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	if err := os.WriteFile(path, []byte(strings.Repeat("line\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	now, _ := os.Stat(path)
	old, _ := os.Stat(path + ".1")
	if now.Size() != 0 || old == nil || old.Size() != 500 {
		t.Errorf("now %d bytes, moved %v", now.Size(), old)
	}
}

func quick() Backoff {
	return Backoff{Min: 10 * time.Millisecond, Max: 80 * time.Millisecond, Reset: time.Minute}
}

// supervise runs a Spec until the test ends; logged reports whether a log line contains a text.
func supervise(t *testing.T, spec Spec) (s *Supervisor, logged func(string) bool) {
	t.Helper()
	var mu sync.Mutex
	var lines []string
	dir := t.TempDir()
	spec.Log = filepath.Join(dir, spec.Name+".log")
	s = NewSupervisor(dir, func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, fmt.Sprintf(format, args...))
	}, nil, quick())
	s.Start(t.Context(), spec)
	t.Cleanup(func() { s.Stop(spec.Name) })
	return s, func(part string) bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Contains(strings.Join(lines, "\n"), part)
	}
}

func await(t *testing.T, s *Supervisor, name string, reached func(Status) bool) Status {
	t.Helper()
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		for _, p := range s.Snapshot() {
			if p.Name == name && reached(p) {
				return p
			}
		}
	}
	t.Fatalf("not within ten seconds; the state is %+v", s.Snapshot())
	return Status{}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
