package containers

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

// TestCompose: `docker compose up -d` in a new clone runs a whole platform that is safe by default.
func TestCompose(t *testing.T) {
	c := NewComposition(t, "sidecart")
	c.Build(t)
	r := Running{
		URL: "http://localhost:8000", Containers: c.Containers, Secrets: volumeSecrets(c.Project),
		Edge: "sidecart_edge", Open: []string{"gateway-pod:8000"},
	}
	steps(t, []step{
		{"a taken port is named, and nothing remains", c.takenPort},
		{"up", func(t *testing.T) {
			c.must(t, "up -d")
			r.AwaitHealthy(t, 3*time.Minute)
		}},
		{"the first order", r.FirstOrder},
		{"no more rights than needed", r.Restricted},
		{"isolated", r.Isolated},
		{"the commands of the README", func(t *testing.T) {
			if out := c.must(t, "ps"); !strings.Contains(out, "orders") {
				t.Error(out)
			}
			c.must(t, "logs --tail 5 gateway")
			c.must(t, "run --rm seed")
		}},
		{"heals", r.Heals},
		{"an order afterwards", r.Order},
		{"invariants", r.Invariants},
		{"down leaves nothing", func(t *testing.T) {
			c.must(t, "down --volumes")
			NothingLeft(t)
		}},
	})
}

// step is a part of a test; the parts after one that fails are not run.
type step struct {
	name string
	run  func(t *testing.T)
}

func steps(t *testing.T, all []step) {
	t.Helper()
	for _, s := range all {
		began := time.Now()
		if !t.Run(s.name, s.run) {
			t.FailNow()
		}
		t.Logf("%s: %.0fs", s.name, time.Since(began).Seconds())
	}
}

// must runs a command of docker compose, which succeeds, and returns what it writes.
func (c *Composition) must(t *testing.T, command string) string {
	t.Helper()
	out, err := c.Run(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// takenPort: when another program has the gateway's port, the error names it. No secret is made then, and no service or
// database starts: only what holds networks, and the mail server. `down` leaves nothing.
func (c *Composition) takenPort(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:8000")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := c.Run(t.Context(), "up -d"); err == nil || !strings.Contains(err.Error(), "8000") ||
		!strings.Contains(err.Error(), "address already in use") {
		t.Errorf("the error does not name the port: %v", err)
	}
	all, err := c.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if name := one.Service(); one.State.Status != "created" && name != "mailhog" && name != "tools" &&
			!strings.HasSuffix(name, "-pod") {
			t.Errorf("%s was started although a port is taken", one.Name)
		}
	}
	c.must(t, "down --volumes")
	NothingLeft(t)
}

// Restricted: no container has rights that it does not need, or grows without bound.
func (r *Running) Restricted(t *testing.T) {
	all, err := r.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if !c.Stays() {
			continue
		}
		h := c.HostConfig
		if !h.ReadonlyRootfs || len(h.CapDrop) == 0 || h.Memory == 0 || h.PidsLimit == nil || *h.PidsLimit <= 0 ||
			c.Config.User == "" || c.Config.User == "0" || strings.HasPrefix(c.Config.User, "0:") || h.LogConfig.Config["max-size"] == "" {
			t.Errorf("%s: read-only %v, dropped %v, memory %d, user %q, logs %v", c.Name, h.ReadonlyRootfs, h.CapDrop,
				h.Memory, c.Config.User, h.LogConfig.Config)
		}
	}
}
