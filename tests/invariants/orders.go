package invariants

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sidecart/kit/shop"
)

// purchase is the part of an order that the checks read.
type purchase struct {
	ID, Number, Status string
	Total, Refunded    shop.Money
	UpdatedAt          time.Time
}

// bought reports whether the buyer has paid, and has or gets at least some of the items.
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

// finished: only pending orders wait for the platform; all other open orders wait for an admin or a buyer.
func finished(ctx context.Context, d *Databases, f *Result, settled time.Time) error {
	bought, err := orders(ctx, d)
	f.Checked = len(bought)
	for _, o := range bought {
		if o.Status == "pending" && o.UpdatedAt.Before(settled) {
			since := o.UpdatedAt.UTC().Format(time.TimeOnly)
			f.Wrong = append(f.Wrong, fmt.Sprintf("order %s (%s) is pending since %s", o.Number, o.ID, since))
		}
	}
	return err
}

// kinds are the notifications of the steps of an order. Other kinds are sent at most once, too.
var kinds = map[string]string{
	"pending": "orders.placed", "paid": "orders.paid", "shipped": "orders.shipped", "delivered": "orders.delivered",
	"cancelled": "orders.cancelled", "refunded": refunded, "partially_refunded": refunded,
}

const refunded = "orders.refunded"

// notified skips users who closed their account: their notifications are erased.
func notified(ctx context.Context, d *Databases, f *Result, settled time.Time) error {
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
		select data->>'order_id' as order_id, kind, count(*) as times from notifications
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
		key := m.OrderID + " " + m.Kind
		times[key] = m.Times
		if m.Times > max(1, happened[key]) {
			f.Wrong = append(f.Wrong, fmt.Sprintf("order %s: %s was notified %d times", m.OrderID, m.Kind, m.Times))
		}
	}
	for key, n := range happened {
		if times[key] < n && !fresh[key] {
			f.Wrong = append(f.Wrong, fmt.Sprintf("order %s happened %d times and was notified %d times", key, n, times[key]))
		}
	}
	slices.Sort(f.Wrong)
	return nil
}

func published(ctx context.Context, d *Databases, f *Result, settled time.Time) error {
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

func deadLetters(ctx context.Context, d *Databases, f *Result, _ time.Time) error {
	type deadLetter struct {
		EventID, Topic, Reason string
	}
	for _, name := range names {
		dead, err := rows[deadLetter](ctx, d, name, `select event_id::text, topic, reason from dead_letters order by died_at`)
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
