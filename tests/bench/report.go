package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"sidecart/tests/platform"
)

// memory is the resident memory of each process in MB, by name.
func memory(p *platform.Platform) (map[string]float64, error) {
	state, err := p.State()
	if err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for _, process := range state.Processes {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.PID))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if words := strings.Fields(line); len(words) > 1 && words[0] == "VmRSS:" {
				kb, err := strconv.ParseFloat(words[1], 64)
				if err != nil {
					return nil, err
				}
				all[process.Name] = kb / 1024
			}
		}
	}
	return all, nil
}

// measured has all results of a run.
type measured struct {
	floors    []result // the plain handler, and a pair of sidecars
	results   []result
	edge      comparison
	signIns   signIns
	workflows workflows
	catalog   catalog
	broadcast broadcast
	streams   streams
	idle      map[string]float64 // MB by process
}

// add adds the results of a part.
func (m *measured) add(results []result, err error) error {
	m.results = append(m.results, results...)
	return err
}

// report is docs/performance.md.
func report(l load, m measured) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Performance

Measured by %s on a machine with %d cores, %s, at %d connections, %s each.
Load generator, services, sidecars, Postgres and Redis share the cores. Machines are noisy: compare ratios within
a run, not numbers of two runs.

| what | a second | p50 | p99 | of the plain floor | of the Dapr floor |
|---|---|---|---|---|---|
`, "`make bench`", runtime.NumCPU(), machineMemory(), l.connections, l.duration)
	for _, r := range append(slices.Clone(m.floors), m.results...) {
		fmt.Fprintf(&b, "| %s | %.0f | %s | %s | %.1f %% | %.0f %% |\n", r.name, r.rate, latency(r.p50), latency(r.p99),
			100*r.rate/m.floors[0].rate, 100*r.rate/m.floors[1].rate)
	}
	b.WriteString(`
The gateway caches a product and the list for a second, so they are far above a pair of sidecars. A sign-in is slow on
purpose: one bcrypt hash, of which as many run concurrently as there are processors less one (at least one). An order
gets its response when its stock is reserved and it is durable; charging and mails share the processors meanwhile.
` + m.catalog.String())
	b.WriteString(m.edge.section(fmt.Sprintf(`What the edge costs

Input checks, token verification and the limit (one call to Redis) take %.0f %% of the throughput of a route
through two sidecars; the target is under 15 %%.`, 100-m.edge.percent)))
	b.WriteString(m.signIns.section(fmt.Sprintf(`A flood of sign-ins

%d more connections only sign in meanwhile: %d succeeded and %d got 503 after 3 s. Other requests keep %.0f %%
of their throughput; the target is 60 %%.`,
		l.connections, m.signIns.succeeded, m.signIns.rejected, m.signIns.percent)))
	if m.workflows.placed > 0 {
		b.WriteString(m.workflows.String())
	}
	if m.broadcast.mails > 0 {
		b.WriteString(m.broadcast.String())
	}
	if len(m.streams.order) > 0 {
		b.WriteString(m.streams.String())
	}
	b.WriteString("\n## Memory\n\nResident memory when idle, with 1,000 products:\n\n| process | MB |\n|---|---|\n")
	for _, name := range []string{"gateway", "users", "products", "orders", "notifications",
		"gateway-dapr", "users-dapr", "products-dapr", "orders-dapr", "notifications-dapr",
		"placement", "scheduler", "redis", "postgres"} {
		fmt.Fprintf(&b, "| %s | %.0f |\n", name, m.idle[name])
	}
	return b.String()
}

// section is a section of the report; it is empty if the comparison was not measured.
func (c comparison) section(text string) string {
	if c.before.rate == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, `
## %s Each was measured %d times, alternately; the share is the median.

| what | requests/s | p50 | p99 |
|---|---|---|---|
`, text, turns)
	for _, r := range []result{c.before, c.after} {
		fmt.Fprintf(&b, "| %s | %.0f | %s | %s |\n", r.name, r.rate, latency(r.p50), latency(r.p99))
	}
	return b.String()
}

// latency is empty if none was measured.
func latency(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

func machineMemory() string {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "memory unknown"
	}
	words := strings.Fields(string(text))
	if len(words) < 2 {
		return "memory unknown"
	}
	kb, err := strconv.Atoi(words[1])
	if err != nil {
		return "memory unknown"
	}
	return fmt.Sprintf("%d GB of memory", (kb+512*1024)/1024/1024)
}
