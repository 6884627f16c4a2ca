package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// carried is how orders went that were placed as fast as they could be: all of them until they were paid.
type carried struct {
	placed            int
	placing, carrying time.Duration      // placing, and from the first order to the last paid
	spent             map[string]float64 // seconds of CPU by process, in all of carrying
}

// carry places orders for l.duration, and then waits until none is pending.
func (l load) carry(ctx context.Context, p *platform.Platform, admin client.Client) (c carried, err error) {
	before, err := cpu(p)
	if err != nil {
		return c, err
	}
	earlier, _, err := statuses(ctx, admin)
	if err != nil {
		return c, err
	}
	begin := time.Now()
	what := target{name: "POST orders", url: p.URL() + "/api/v1/orders", headers: map[string]string{"Authorization": "Bearer " + admin.Token}, body: order, random: products}
	if _, err := l.hit(ctx, what); err != nil {
		return c, err
	}
	c.placing = time.Since(begin)
	for {
		all, pending, err := statuses(ctx, admin)
		if err != nil {
			return c, err
		}
		c.placed, c.carrying = all-earlier, time.Since(begin)
		if pending == 0 {
			break
		}
		if c.carrying > 10*time.Minute {
			return c, fmt.Errorf("%d of %d orders are still pending", pending, all)
		}
		time.Sleep(200 * time.Millisecond)
	}
	if c.spent, err = cpu(p); err != nil {
		return c, err
	}
	for name := range c.spent {
		c.spent[name] -= before[name]
	}
	return c, nil
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

// cpu is how many seconds of CPU each process has used, by name. Its children count where they are the process's own, as
// those of Postgres are.
func cpu(p *platform.Platform) (map[string]float64, error) {
	state, err := p.State()
	if err != nil {
		return nil, err
	}
	spent := map[string]float64{}
	for _, process := range state.Processes {
		for _, pid := range append(children(process.PID), process.PID) {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err != nil {
				continue // a child that ended meanwhile
			}
			_, after, _ := strings.Cut(string(text), ") ")
			fields := strings.Fields(after)
			if len(fields) < 15 {
				continue
			}
			for _, ticks := range fields[11:13] { // utime and stime, in hundredths of a second
				n, err := strconv.ParseFloat(ticks, 64)
				if err != nil {
					return nil, err
				}
				spent[process.Name] += n / 100
			}
		}
	}
	return spent, nil
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

// String is a paragraph of the report.
func (c carried) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## Orders, carried to paid\n\n%d orders were placed in %s (%.0f/s), while their workflows ran; the last was paid after %s: %.0f orders/s from\n"+
		"placed to paid. CPU for one order, in milliseconds, by process:\n\n| process | ms |\n|---|---|\n",
		c.placed, c.placing.Round(100*time.Millisecond), float64(c.placed)/c.placing.Seconds(), c.carrying.Round(100*time.Millisecond), float64(c.placed)/c.carrying.Seconds())
	names := make([]string, 0, len(c.spent))
	for name := range c.spent {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return int(1000 * (c.spent[b] - c.spent[a])) })
	for _, name := range names {
		if ms := 1000 * c.spent[name] / float64(max(1, c.placed)); ms >= 0.05 {
			fmt.Fprintf(&b, "| %s | %.1f |\n", name, ms)
		}
	}
	return b.String()
}
