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

// carried is how orders went that were placed as fast as they could be: all of them until they were paid.
type carried struct {
	placed            int
	placing, carrying time.Duration      // placing, and from the first order to the last paid
	spent             map[string]float64 // seconds of CPU by process, in all of carrying
}

// carry places orders for l.duration, and then waits until none is pending. It begins when what was measured before has come to
// rest: mails that still go out and sign-ins that nobody waits for would be counted to the orders.
func (l load) carry(ctx context.Context, p *platform.Platform, who people) (c carried, err error) {
	earlier, err := drain(ctx, who.admin)
	if err == nil {
		err = rest(ctx, p)
	}
	if err != nil {
		return c, err
	}
	before, err := cpu(p)
	if err != nil {
		return c, err
	}
	begin := time.Now()
	placed, err := l.hit(ctx, who.orders("POST orders", products))
	if err != nil {
		return c, err
	}
	c.placing = time.Since(begin)
	all, err := drain(ctx, who.admin)
	if err != nil {
		return c, err
	}
	c.placed, c.carrying = all-earlier, time.Since(begin)
	if c.spent, err = cpu(p); err != nil {
		return c, err
	}
	for name := range c.spent {
		c.spent[name] -= before[name]
	}
	c.spent["wrk"] = placed.asking.Seconds()
	return c, nil
}

// rest waits until the platform does next to nothing, for up to three minutes.
func rest(ctx context.Context, p *platform.Platform) error {
	const idle = 0.3 // seconds of CPU in a second, of all processes together
	busy := 0.0
	for range 180 {
		before, err := total(p)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		after, err := total(p)
		if err != nil {
			return err
		}
		if busy = after - before; busy < idle {
			return nil
		}
	}
	return fmt.Errorf("the platform does not come to rest: %.1f s of CPU in a second", busy)
}

func total(p *platform.Platform) (seconds float64, err error) {
	spent, err := cpu(p)
	for _, s := range spent {
		seconds += s
	}
	return seconds, err
}

// drain waits until no order is pending any more, and answers how many there are.
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

// flashSale is a crowd that orders one product, of which there is enough for all: each order waits for the same row of stock.
func (l load) flashSale(ctx context.Context, p *platform.Platform, who people) ([]result, error) {
	if _, err := drain(ctx, who.admin); err != nil {
		return nil, err
	}
	if err := rest(ctx, p); err != nil {
		return nil, err
	}
	results, err := l.hitAll(ctx, []target{who.orders("POST orders, all of one product (flash sale)", 1)})
	if err != nil {
		return nil, err
	}
	_, err = drain(ctx, who.admin)
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
			for _, ticks := range fields[11:15] { // its own and its ended children's time, in hundredths of a second
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

// rate is orders a second from placed to paid, each of which is a workflow.
func (c carried) rate() float64 { return float64(c.placed) / c.carrying.Seconds() }

// String is a paragraph of the report.
func (c carried) String() string {
	return fmt.Sprintf("\n## Orders from placed to paid\n\n%d orders were placed in %s (%.0f/s); the last was paid after %s: %.0f workflows/s.\n"+
		"CPU per order, in milliseconds, by process:\n\n",
		c.placed, c.placing.Round(100*time.Millisecond), float64(c.placed)/c.placing.Seconds(), c.carrying.Round(100*time.Millisecond), c.rate()) + spentOn(c.spent, c.placed)
}
