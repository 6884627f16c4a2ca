package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// workflows are orders that were placed at full rate, until all were paid.
type workflows struct {
	placed         int
	placing, total time.Duration      // of placing, and until the last was paid
	cpu            map[string]float64 // seconds by process, in total
}

// workflows places orders for l.duration, and waits until none is pending. It begins when the platform is idle: mails
// and sign-ins of earlier measurements would count as cost of orders.
func (l load) workflows(ctx context.Context, p *platform.Platform, users users) (w workflows, err error) {
	earlier, err := drain(ctx, users.admin)
	if err == nil {
		err = awaitIdle(ctx, p)
	}
	if err != nil {
		return w, err
	}
	before, err := cpuSeconds(p)
	if err != nil {
		return w, err
	}
	begin := time.Now()
	placed, err := l.hit(ctx, users.orders("POST orders", products))
	if err != nil {
		return w, err
	}
	w.placing = time.Since(begin)
	all, err := drain(ctx, users.admin)
	if err != nil {
		return w, err
	}
	w.placed, w.total = all-earlier, time.Since(begin)
	if w.cpu, err = cpuSeconds(p); err != nil {
		return w, err
	}
	for name := range w.cpu {
		w.cpu[name] -= before[name]
	}
	w.cpu["wrk"] = placed.cpu.Seconds()
	return w, nil
}

// awaitIdle waits until the platform uses little CPU, for up to three minutes.
func awaitIdle(ctx context.Context, p *platform.Platform) error {
	const idle = 0.3 // seconds of CPU in a second, of all processes together
	busy := 0.0
	for range 180 {
		before, err := totalCPU(p)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		after, err := totalCPU(p)
		if err != nil {
			return err
		}
		if busy = after - before; busy < idle {
			return nil
		}
	}
	return fmt.Errorf("the platform does not become idle: %.1f s of CPU in a second", busy)
}

func totalCPU(p *platform.Platform) (seconds float64, err error) {
	all, err := cpuSeconds(p)
	for _, s := range all {
		seconds += s
	}
	return seconds, err
}

// drain waits until no order is pending, and returns the number of orders.
func drain(ctx context.Context, admin client.Client) (all int, err error) {
	for begin := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		all, pending, err := statuses(ctx, admin)
		if err != nil || pending == 0 {
			return all, err
		}
		if time.Since(begin) > 10*time.Minute {
			return all, fmt.Errorf("%d of %d orders are still pending", pending, all)
		}
	}
}

// flashSale places orders for one product with enough stock: all need the same row.
func (l load) flashSale(ctx context.Context, p *platform.Platform, users users) ([]result, error) {
	if _, err := drain(ctx, users.admin); err != nil {
		return nil, err
	}
	if err := awaitIdle(ctx, p); err != nil {
		return nil, err
	}
	results, err := l.hitAll(ctx, []target{users.orders("POST orders, all of one product (flash sale)", 1)})
	if err != nil {
		return nil, err
	}
	_, err = drain(ctx, users.admin)
	return results, err
}

func statuses(ctx context.Context, admin client.Client) (all, pending int, err error) {
	var report struct{ Statuses map[string]int }
	if err := admin.Call(ctx, "GET /api/v1/orders/analytics", nil, 200, &report); err != nil {
		return 0, 0, err
	}
	for _, n := range report.Statuses {
		all += n
	}
	return all, report.Statuses["pending"], nil
}

// cpuSeconds is the CPU time of each process and its children, by name.
func cpuSeconds(p *platform.Platform) (map[string]float64, error) {
	state, err := p.State()
	if err != nil {
		return nil, err
	}
	seconds := map[string]float64{}
	for _, process := range state.Processes {
		for _, pid := range append(children(process.PID), process.PID) {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err != nil {
				continue // it has exited
			}
			_, after, _ := strings.Cut(string(text), ") ")
			fields := strings.Fields(after)
			if len(fields) < 15 {
				continue
			}
			for _, ticks := range fields[11:15] { // user and system time, own and of exited children, in 1/100 s
				n, err := strconv.ParseFloat(ticks, 64)
				if err != nil {
					return nil, err
				}
				seconds[process.Name] += n / 100
			}
		}
	}
	return seconds, nil
}

func children(pid int) (pids []int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	for _, field := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// rate is orders a second from the first placed to the last paid.
func (w workflows) rate() float64 { return float64(w.placed) / w.total.Seconds() }

// String is a section of the report.
func (w workflows) String() string {
	return fmt.Sprintf(`
## Orders from placed to paid

%d orders were placed in %s (%.0f/s); the last was paid after %s: %.0f workflows/s.
CPU per order, in milliseconds, by process:

`, w.placed, w.placing.Round(100*time.Millisecond), float64(w.placed)/w.placing.Seconds(),
		w.total.Round(100*time.Millisecond), w.rate()) + cpuTable(w.cpu, w.placed)
}
