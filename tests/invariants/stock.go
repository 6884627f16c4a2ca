package invariants

import (
	"context"
	"fmt"
	"slices"
	"time"
)

type count struct {
	ProductID int64
	Is, Want  int64
}

func (f *Result) counts(all []count, what string) {
	f.Checked = len(all)
	for _, c := range all {
		if c.Is != c.Want {
			f.Wrong = append(f.Wrong, fmt.Sprintf("product %d: %d %s, should be %d", c.ProductID, c.Is, what, c.Want))
		}
	}
}

func ledger(ctx context.Context, d *Databases, f *Result, _ time.Time) error {
	all, err := rows[count](ctx, d, "products", `
		select s.product_id, s.on_hand::bigint as is, coalesce(sum(m.delta), 0)::bigint as want
		from stock s left join movements m on m.product_id = s.product_id group by s.product_id order by s.product_id`)
	f.counts(all, "in stock")
	return err
}

func reserved(ctx context.Context, d *Databases, f *Result, _ time.Time) error {
	all, err := rows[count](ctx, d, "products", `
		select s.product_id, s.reserved::bigint as is, coalesce(sum(l.quantity) filter (where r.state = 'held'), 0)::bigint as want
		from stock s left join reservation_lines l on l.product_id = s.product_id left join reservations r on r.order_id = l.order_id
		group by s.product_id order by s.product_id`)
	f.counts(all, "reserved")
	return err
}

// item is the quantity of a product in an order.
type item struct {
	OrderID   string
	ProductID int64
	Quantity  int64
}

// restocked compares the items of refunds with the returned stock. A cancelled order returns all of its items, see
// sold.
func restocked(ctx context.Context, d *Databases, f *Result, settled time.Time) error {
	restocked, err := rows[item](ctx, d, "products", `
		select order_id::text, product_id, returned::bigint as quantity from reservation_lines where returned > 0`)
	if err != nil {
		return err
	}
	refunded, err := rows[item](ctx, d, "orders", `
		select r.order_id::text as order_id, (i->>'product_id')::bigint as product_id, sum((i->>'quantity')::bigint)::bigint as quantity
		from refunds r, jsonb_array_elements(r.items) i where r.restock group by 1, 2 order by 1, 2`)
	if err != nil {
		return err
	}
	skipped, err := rows[struct{ ID string }](ctx, d, "orders", `
		select id::text from orders where status = 'cancelled'
		union select order_id::text from refunds where coalesce(settled_at, failed_at, 'infinity') >= $1`, settled)
	if err != nil {
		return err
	}
	skip := map[string]bool{}
	for _, o := range skipped {
		skip[o.ID] = true
	}
	is := map[item]int64{}
	for _, l := range restocked {
		is[item{OrderID: l.OrderID, ProductID: l.ProductID}] = l.Quantity
	}
	f.Checked = len(refunded)
	for _, l := range refunded {
		at := item{OrderID: l.OrderID, ProductID: l.ProductID}
		if is[at] != l.Quantity && !skip[l.OrderID] {
			f.Wrong = append(f.Wrong, fmt.Sprintf("order %s: %d of product %d were restocked, should be %d",
				l.OrderID, is[at], l.ProductID, l.Quantity))
		}
		delete(is, at)
	}
	for at, n := range is {
		if !skip[at.OrderID] {
			f.Wrong = append(f.Wrong, fmt.Sprintf("order %s: %d of product %d were restocked without a refund",
				at.OrderID, n, at.ProductID))
		}
	}
	return nil
}

// sold compares each order with its reservation, which is in another database and becomes consistent later.
func sold(ctx context.Context, d *Databases, f *Result, settled time.Time) error {
	type state struct{ OrderID, State string }
	bought, err := orders(ctx, d)
	if err != nil {
		return err
	}
	wanted, err := rows[item](ctx, d, "orders", `
		select o.id::text as order_id, (i->>'product_id')::bigint as product_id, sum((i->>'quantity')::bigint)::bigint as quantity
		from orders o, jsonb_array_elements(o.items) i group by 1, 2 order by 1, 2`)
	if err != nil {
		return err
	}
	states, err := rows[state](ctx, d, "products", `select order_id::text, state from reservations`)
	if err != nil {
		return err
	}
	lines, err := rows[item](ctx, d, "products", `
		select order_id::text, product_id, quantity::bigint from reservation_lines order by order_id::text, product_id`)
	if err != nil {
		return err
	}
	byOrder := func(all []item) map[string][]item {
		m := map[string][]item{}
		for _, l := range all {
			m[l.OrderID] = append(m[l.OrderID], l)
		}
		return m
	}
	want, have, is := byOrder(wanted), byOrder(lines), map[string]string{}
	for _, s := range states {
		is[s.OrderID] = s.State
	}
	f.Checked = len(bought)
	known := map[string]bool{}
	for _, o := range bought {
		known[o.ID] = true
		state := is[o.ID]
		switch {
		case o.UpdatedAt.After(settled):
		case o.bought() && (state != "committed" || !slices.Equal(want[o.ID], have[o.ID])):
			f.Wrong = append(f.Wrong, fmt.Sprintf("order %s is %s, its reservation %q holds %v of %v",
				o.Number, o.Status, state, have[o.ID], want[o.ID]))
		case o.Status == "cancelled" && (state == "held" || state == "committed"):
			f.Wrong = append(f.Wrong, fmt.Sprintf("order %s is cancelled, its reservation %s", o.Number, state))
		}
	}
	for id, state := range is { // a held reservation without an order expires
		if state == "committed" && !known[id] {
			f.Wrong = append(f.Wrong, "stock was sold to an order that does not exist: "+id)
		}
	}
	return nil
}
