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

// measured is all that a run has found.
type measured struct {
	floors    []result // the plain handler, and a pair of sidecars
	results   []result
	door      pair
	flood     flood
	carried   carried
	wholesale wholesale
	told      told
	streams   streams
	idle      map[string]float64
}

// add keeps what a part has found.
func (m *measured) add(results []result, err error) error {
	m.results = append(m.results, results...)
	return err
}

// report is docs/performance.md.
func report(l load, m measured) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Performance\n\nMeasured by `make bench` on a machine with %d cores, %s, at %d connections, %s each.\n"+
		"Load generator, services, sidecars, Postgres and Redis share the cores. Machines are noisy: compare ratios within\n"+
		"a run, not numbers of two runs.\n\n", runtime.NumCPU(), machineMemory(), l.connections, l.duration)
	b.WriteString("| what | a second | p50 | p99 | of the plain floor | of the Dapr floor |\n|---|---|---|---|---|---|\n")
	for _, r := range append(slices.Clone(m.floors), m.results...) {
		fmt.Fprintf(&b, "| %s | %.0f | %s | %s | %.1f %% | %.0f %% |\n", r.name, r.rate, latency(r.p50), latency(r.p99),
			100*r.rate/m.floors[0].rate, 100*r.rate/m.floors[1].rate)
	}
	b.WriteString("\nThe gateway caches a product and the list for a second, so they are far above a pair of sidecars. A sign-in is slow on\n" +
		"purpose: one bcrypt hash, of which as many run concurrently as there are processors less one (at least one). An order\n" +
		"is answered when its stock is reserved and it is durable; charging and mails share the processors meanwhile.\n" + m.wholesale.String())
	for _, section := range []struct {
		pair
		head, foot string
	}{
		{m.door, "What the edge costs", fmt.Sprintf("Input checks, token verification and the limit (one call to Redis) take %.0f %% of the throughput of a route\n"+
			"through two sidecars; the target is under 15 %%.", 100-m.door.kept)},
		{m.flood.pair, "A flood of sign-ins", fmt.Sprintf("%d more connections only sign in meanwhile: %d succeeded and %d got 503 after 3 s. Other requests keep %.0f %%\n"+
			"of their throughput; the target is 60 %%.", l.connections, m.flood.logins, m.flood.refused, m.flood.kept)},
	} {
		if section.before.rate == 0 {
			continue // only other parts were measured
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s Each was measured %d times, alternately; the share is the median.\n\n| what | requests/s | p50 | p99 |\n|---|---|---|---|\n",
			section.head, section.foot, turns)
		for _, r := range []result{section.before, section.after} {
			fmt.Fprintf(&b, "| %s | %.0f | %s | %s |\n", r.name, r.rate, latency(r.p50), latency(r.p99))
		}
	}
	if m.carried.placed > 0 {
		b.WriteString(m.carried.String())
	}
	if m.told.mails > 0 {
		b.WriteString(m.told.String())
	}
	if len(m.streams.order) > 0 {
		b.WriteString(m.streams.String())
	}
	b.WriteString("\n## Memory\n\nResident memory when idle, with 1,000 products:\n\n| process | MB |\n|---|---|\n")
	for _, name := range []string{"gateway", "users", "products", "orders", "notifications", "gateway-dapr", "users-dapr", "products-dapr",
		"orders-dapr", "notifications-dapr", "placement", "scheduler", "redis", "postgres"} {
		fmt.Fprintf(&b, "| %s | %.0f |\n", name, m.idle[name])
	}
	return b.String()
}

// latency is empty where none was measured.
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
