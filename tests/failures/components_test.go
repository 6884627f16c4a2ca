package failures_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// component is a component with policies in dapr/resiliency, and a call that needs it.
type component struct {
	app, name, call, body string
	timeout               time.Duration
}

// slack is what a call may take beyond its timeout on an overloaded machine.
const slack = 3 * time.Second

// componentsHang: calls end at the timeout of the component, then its breaker opens and they fail immediately, and it
// closes when the component is back.
func componentsHang(t *testing.T) {
	running.Pause(t, "redis")
	running.Pause(t, "postgres")
	for _, c := range []component{
		{"users", "lockouts", "GET /v1.0/state/lockouts/breaker", "", time.Second},
		{"orders", "carts", "GET /v1.0/state/carts/breaker", "", 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.opens(t)
			c.closes(t)
		})
	}
	broker := component{
		"users", "pubsub", "POST /v1.0/publish/pubsub/platform.heartbeat?metadata.rawPayload=true", "{}", 5 * time.Second,
	}
	if status, took, err := broker.do(t); err != nil || status < 300 || took > broker.timeout+slack {
		t.Errorf("publishing without a broker: %d after %s, %v", status, took, err)
	}
}

// imagesFail: a failing image store opens its breaker, which closes when the store works again.
func imagesFail(t *testing.T) {
	images := component{
		"products", "images", "POST /v1.0/bindings/images",
		`{"operation":"create","data":"x","metadata":{"fileName":"breaker"}}`, 10 * time.Second,
	}
	folder := filepath.Join(running.Dir, "images")
	must(t, os.Rename(folder, folder+".moved"))
	must(t, os.WriteFile(folder, nil, 0o600)) // a file instead of the folder
	images.opens(t)
	must(t, os.Remove(folder))
	must(t, os.Rename(folder+".moved", folder))
	images.closes(t)
}

func (c component) do(t *testing.T) (status int, took time.Duration, err error) {
	t.Helper()
	var body any
	if c.body != "" {
		body = client.Raw(c.body)
	}
	begin := time.Now()
	res, err := viaSidecar(t, c.app)(t.Context(), c.call, body)
	return res.Status, time.Since(begin), err
}

// opens calls until the breaker is open. None of the calls succeeds or waits for longer than its timeout.
func (c component) opens(t *testing.T) {
	t.Helper()
	var longest atomic.Int64
	platform.Eventually(t, time.Minute, func() error {
		must(t, concurrently(12, func(int) error {
			status, took, err := c.do(t)
			if err == nil && status < 300 {
				t.Errorf("%s: %d without %s", c.call, status, c.name)
			}
			if took > time.Duration(longest.Load()) {
				longest.Store(int64(took))
			}
			return err
		}))
		return c.breaker(t, "open")
	})
	t.Logf("%s: a call took %s at most until the breaker opened", c.name, time.Duration(longest.Load()).Round(time.Millisecond))
	if time.Duration(longest.Load()) > c.timeout+slack {
		t.Errorf("a call took %s", time.Duration(longest.Load()))
	}
	platform.Eventually(t, 20*time.Second, func() error { // some calls are trials of a half-open breaker
		status, took, err := c.do(t)
		if err == nil && status >= 300 && took > 500*time.Millisecond {
			err = fmt.Errorf("a call took %s while the breaker is open", took)
		}
		return err
	})
}

// closes calls until one succeeds and the breaker is closed.
func (c component) closes(t *testing.T) {
	t.Helper()
	platform.Eventually(t, replacedWithin, func() error {
		status, _, err := c.do(t)
		if err == nil && status >= 300 {
			err = fmt.Errorf("%s: %d", c.call, status)
		}
		if err != nil {
			return err
		}
		return c.breaker(t, "closed")
	})
}

// breaker fails unless the sidecar's metrics show the breaker of the component in that state, at the last call.
func (c component) breaker(t *testing.T, state string) error {
	t.Helper()
	if count(t, c.app, "dapr_resiliency_cb_state", `_`+c.name+`"`, `status="`+state+`"`) != 1 {
		return fmt.Errorf("the breaker of %s is not %s", c.name, state)
	}
	return nil
}
