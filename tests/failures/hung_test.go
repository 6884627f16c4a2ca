package failures_test

import (
	"fmt"
	"testing"
	"time"

	"sidecart/tests/e2e"
	"sidecart/tests/platform"
)

// Hung processes are stopped (SIGSTOP): they neither exit nor close a connection, so that only a timeout detects them.

// longestRead is twice the gateway's deadline of a read, for an overloaded machine.
const longestRead = 6 * time.Second

// killedWithin is how long a hung process may run: the supervisor kills it after 15 s, and a slow machine takes longer.
// Postgres ends its child processes first.
func killedWithin(name string) time.Duration {
	if name == "postgres" {
		return 50 * time.Second
	}
	return 40 * time.Second
}

// replacedWithin is how long the supervisor takes to kill a hung process and to start another on a slow machine.
const replacedWithin = 90 * time.Second

// hung: a read that needs a hung process gets a response within its deadline, until the process is replaced.
func hung(t *testing.T, name, read string) {
	before := running.Process(name)
	running.Pause(t, name)
	longest, killed, began := time.Duration(0), time.Duration(0), time.Now()
	platform.Eventually(t, replacedWithin, func() error {
		if killed == 0 && exited(before) == nil {
			killed = time.Since(began)
		}
		begin := time.Now()
		res, err := buyer.Do(t.Context(), read, nil)
		if err != nil {
			return err
		}
		longest = max(longest, time.Since(begin))
		if res.Status != 200 && res.Status != 503 && res.Status != 504 {
			t.Errorf("%s: %d %s", read, res.Status, res.Body)
		}
		if err := replaced(before); err != nil {
			return err
		}
		return res.Into(200, nil)
	})
	t.Logf("%s: a read took at most %s, and succeeded after %s",
		name, longest.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	if killed > killedWithin(name) {
		t.Errorf("it was killed after %s", killed)
	}
	if longest > longestRead {
		t.Errorf("a read took %s", longest)
	}
	e2e.AwaitStatus(t, buyer, eventuallyPlaced(t), "paid")
}

func exited(before platform.Process) error {
	if now := running.Process(before.Name); now.PID == before.PID {
		return fmt.Errorf("%s still runs: %+v", before.Name, now)
	}
	return nil
}

func replaced(before platform.Process) error {
	if now := running.Process(before.Name); now.State != "running" || now.PID == before.PID {
		return fmt.Errorf("%s is %+v", before.Name, now)
	}
	return nil
}

// everythingHangs: all processes hang and are replaced, and open orders continue.
func everythingHangs(t *testing.T) {
	waiting := place(t)
	state, err := running.State()
	must(t, err)
	for _, p := range state.Processes {
		running.Pause(t, p.Name)
	}
	began := time.Now()
	for _, p := range state.Processes {
		platform.Eventually(t, time.Until(began.Add(killedWithin(p.Name))), func() error { return exited(p) })
		t.Logf("%s had exited after %s", p.Name, time.Since(began).Round(time.Millisecond))
	}
	for _, p := range state.Processes {
		platform.Eventually(t, replacedWithin, func() error { return replaced(p) })
		t.Logf("%s was replaced after %s", p.Name, time.Since(began).Round(time.Millisecond))
	}
	platform.Eventually(t, replacedWithin, func() error {
		return anonymous.Call(t.Context(), "GET /health/services", nil, 200, nil)
	})
	after, err := running.State()
	must(t, err)
	for _, id := range []string{waiting, eventuallyPlaced(t)} {
		e2e.AwaitStatus(t, buyer, id, "paid")
		e2e.AwaitNotifications(t, buyer, id, "orders.placed", "orders.paid")
	}
	for _, p := range after.Processes {
		if now := running.Process(p.Name); now.Restarts != p.Restarts {
			t.Errorf("%s works and was restarted", p.Name)
		}
	}
}
