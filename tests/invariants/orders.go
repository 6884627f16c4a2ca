package invariants

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sidecart/kit/shop"
)

// purchase is what the checks read of an order.
type purchase struct {
	ID, Number, Status string
	Total, Refunded    shop.Money
	UpdatedAt          time.Time
}

// bought says whether the buyer has paid and has, or gets, at least some of the goods.
func (p purchase) bought() bool {
	switch p.Status {
	case "paid", "shipped", "delivered", "partially_refunded":
		return true
	}
	return false
}

func orders(ctx context.Context, d *Databases) ([]purchase, error) {
	return rows[purchase](ctx, d, "orders", `select id::text, number, status, total, refunded, updated_at from orders order by id`)
}

// finished: pending is the one status in which nobody but the platform has something to do.
func finished(ctx context.Context, d *Databases, f *Finding, settled time.Time) error {
	bought, err := orders(ctx, d)
	f.Checked = len(bought)
	for _, o := range bought {
		if o.Status == "pending" && o.UpdatedAt.Before(settled) {
			f.Wrong = append(f.Wrong, fmt.Sprintf("order %s (%s) is pending since %s", o.Number, o.ID, o.UpdatedAt.UTC().Format(time.TimeOnly)))
		}
	}
	return err
}

// kinds are the notifications that each step of an order's history makes. Other kinds may come at most once, too, but for
// refunds, of which an order may have several.
var kinds = map[string]string{
	"pending": "orders.placed", "paid": "orders.paid", "shipped": "orders.shipped", "delivered": "orders.delivered", "cancelled": "orders.cancelled",
	"refunded": refunded, "partially_refunded": refunded,
}

const refunded = "orders.refunded"

// told leaves out who closed their account: what they were told is erased.
func told(ctx context.Context, d *Databases, f *Finding, settled time.Time) error {
	type step struct {
		OrderID, Status string
		At              time.Time
	}
	type message struct {
		OrderID, Kind string
		Times         int
	}
	steps, err := rows[step](ctx, d, "orders", `
		select h.order_id::text, h.status, h.at from order_history h join orders o on o.id = h.order_id where not o.erased`)
	if err != nil {
		return err
	}
	messages, err := rows[message](ctx, d, "notifications", `
		select data->>'order_id' as order_id, kind, count(*) as times from messages
		where kind like 'orders.%' and data ? 'order_id' group by 1, 2`)
	if err != nil {
		return err
	}
	times, happened, fresh := map[string]int{}, map[string]int{}, map[string]bool{}
	for _, s := range steps {
		if kind := kinds[s.Status]; kind != "" {
			f.Checked++
			happened[s.OrderID+" "+kind]++
			fresh[s.OrderID+" "+kind] = fresh[s.OrderID+" "+kind] || !s.At.Before(settled)
		}
	}
	for _, m := range messages {
		what := m.OrderID + " " + m.Kind
		times[what] = m.Times
		if m.Times > max(1, happened[what]) {
			f.Wrong = append(f.Wrong, fmt.Sprintf("order %s: %s was told %d times", m.OrderID, m.Kind, m.Times))
		}
	}
	for what, n := range happened {
		if times[what] < n && !fresh[what] {
			f.Wrong = append(f.Wrong, fmt.Sprintf("order %s happened %d times and was told %d times", what, n, times[what]))
		}
	}
	slices.Sort(f.Wrong)
	return nil
}

func published(ctx context.Context, d *Databases, f *Finding, settled time.Time) error {
	type event struct {
		ID, Topic string
	}
	for _, name := range names {
		waiting, err := rows[event](ctx, d, name, `select id::text, topic from outbox where emitted_at < $1 order by seq`, settled)
		if err != nil {
			return err
		}
		f.Checked++
		for _, e := range waiting {
			f.Wrong = append(f.Wrong, fmt.Sprintf("%s of %s waits in the outbox of %s", e.ID, e.Topic, name))
		}
	}
	return nil
}

func heard(ctx context.Context, d *Databases, f *Finding, _ time.Time) error {
	type letter struct {
		EventID, Topic, Reason string
	}
	for _, name := range names {
		dead, err := rows[letter](ctx, d, name, `select event_id::text, topic, reason from dead_letters order by died_at`)
		if err != nil {
			return err
		}
		f.Checked++
		for _, l := range dead {
			f.Wrong = append(f.Wrong, fmt.Sprintf("%s of %s at %s: %s", l.EventID, l.Topic, name, l.Reason))
		}
	}
	return nil
}
