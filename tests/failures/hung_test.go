package failures_test

import (
	"fmt"
	"testing"
	"time"

	"sidecart/tests/journey"
	"sidecart/tests/platform"
)

// Hung processes are stopped (SIGSTOP): they neither end nor close a connection, so that only a timeout notices.

// longestRead is the gateway's deadline of a read, and as much again for a machine that has more to do than it can.
const longestRead = 6 * time.Second

// diesWithin is how long a frozen process may live: the supervisor takes it for hung after 15 s, and a slow machine has
// as much again. Postgres ends its children first.
func diesWithin(name string) time.Duration {
	if name == "postgres" {
		return 50 * time.Second
	}
	return 40 * time.Second
}

// replacedWithin is until the supervisor takes a process for hung, and what a start takes on a slow machine.
const replacedWithin = 90 * time.Second

// hung: whoever reads from a process that hangs is answered within the deadline of a read, until the process is
// replaced.
func hung(t *testing.T, name, read string) {
	before := running.Process(name)
	running.Pause(t, name)
	longest, death, began := time.Duration(0), time.Duration(0), time.Now()
	platform.Eventually(t, replacedWithin, func() error {
		if death == 0 && died(before) == nil {
			death = time.Since(began)
		}
		begin := time.Now()
		a, err := buyer.Do(t.Context(), read, nil)
		if err != nil {
			return err
		}
		longest = max(longest, time.Since(begin))
		if a.Status != 200 && a.Status != 503 && a.Status != 504 {
			t.Errorf("%s: %d %s", read, a.Status, a.Body)
		}
		if err := replaced(before); err != nil {
			return err
		}
		return a.Into(200, nil)
	})
	t.Logf("%s: a read waited for at most %s, and was answered after %s", name, longest.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	if death > diesWithin(name) {
		t.Errorf("it lived for %s", death)
	}
	if longest > longestRead {
		t.Errorf("a read waited for %s", longest)
	}
	journey.AwaitStatus(t, buyer, eventuallyPlaced(t), "paid")
}

func died(before platform.Process) error {
	if now := running.Process(before.Name); now.PID == before.PID {
		return fmt.Errorf("%s lives on: %+v", before.Name, now)
	}
	return nil
}

func replaced(before platform.Process) error {
	if now := running.Process(before.Name); now.State != "running" || now.PID == before.PID {
		return fmt.Errorf("%s is %+v", before.Name, now)
	}
	return nil
}

// everythingHangs: each process is replaced, whatever it waits for, and what was under way goes on.
func everythingHangs(t *testing.T) {
	waiting := place(t)
	state, err := running.State()
	must(t, err)
	for _, p := range state.Processes {
		running.Pause(t, p.Name)
	}
	began := time.Now()
	for _, p := range state.Processes {
		platform.Eventually(t, time.Until(began.Add(diesWithin(p.Name))), func() error { return died(p) })
		t.Logf("%s had died after %s", p.Name, time.Since(began).Round(time.Millisecond))
	}
	for _, p := range state.Processes {
		platform.Eventually(t, replacedWithin, func() error { return replaced(p) })
		t.Logf("%s was replaced after %s", p.Name, time.Since(began).Round(time.Millisecond))
	}
	platform.Eventually(t, replacedWithin, func() error { return nobody.Call(t.Context(), "GET /health/services", nil, 200, nil) })
	calm, err := running.State()
	must(t, err)
	for _, id := range []string{waiting, eventuallyPlaced(t)} {
		journey.AwaitStatus(t, buyer, id, "paid")
		journey.AwaitNotifications(t, buyer, id, "orders.placed", "orders.paid")
	}
	for _, p := range calm.Processes {
		if now := running.Process(p.Name); now.Restarts != p.Restarts {
			t.Errorf("%s works and was started again", p.Name)
		}
	}
}
