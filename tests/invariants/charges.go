package invariants

import (
	"context"
	"fmt"
	"time"

	"sidecart/kit/shop"
)

// charge is a line in the ledger of the simulated provider, which counts real charges.
type charge struct {
	Key, State       string
	Amount, Refunded shop.Money
	BegunAt          time.Time
}

// made says whether money was taken, whatever became of it later. A charge that was voided while it was only tried
// counts as refunded in the ledger, too, and nothing went back.
func (c charge) made() bool {
	return c.State == "approved" || c.State == "refunded" && c.Refunded.Sign() > 0
}

// books are what is known of the orders' money.
type books struct {
	charges   map[string]charge // by order
	owing     map[string]bool   // a refund is on its way
	elsewhere map[string]bool   // by a provider that counts for itself
}

func readBooks(ctx context.Context, d *Databases) (b books, err error) {
	b.charges = map[string]charge{}
	ledger, err := rows[charge](ctx, d, "orders", `select key::text, state, amount, refunded, begun_at from simulated_ledger`)
	if err != nil {
		return b, err
	}
	for _, c := range ledger {
		b.charges[c.Key] = c
	}
	if b.owing, err = orderSet(ctx, d, `select order_id::text from refunds where settled_at is null`); err != nil {
		return b, err
	}
	b.elsewhere, err = orderSet(ctx, d, `select order_id::text from payments where provider <> 'simulated'`)
	return b, err
}

func orderSet(ctx context.Context, d *Databases, sql string) (map[string]bool, error) {
	type member struct{ OrderID string }
	all, err := rows[member](ctx, d, "orders", sql)
	set := map[string]bool{}
	for _, m := range all {
		set[m.OrderID] = true
	}
	return set, err
}

// charged: of one order one charge, of its total; of what was refunded as much went back, and nothing is kept of an order that
// was cancelled. What the reconciliation with any provider found and could not mend is wrong, too.
func charged(ctx context.Context, d *Databases, f *Finding, settled time.Time) error {
	bought, err := orders(ctx, d)
	if err != nil {
		return err
	}
	b, err := readBooks(ctx, d)
	if err != nil {
		return err
	}
	f.Checked = len(b.charges)
	for _, o := range bought {
		if !o.UpdatedAt.After(settled) && !b.elsewhere[o.ID] {
			if says := b.against(o); says != "" {
				f.Wrong = append(f.Wrong, fmt.Sprintf("order %s of %s is %s with %s refunded, and %s", o.Number, o.Total, o.Status, o.Refunded, says))
			}
		}
		delete(b.charges, o.ID)
	}
	for id, c := range b.charges {
		if c.State == "approved" && c.BegunAt.Before(settled) {
			f.Wrong = append(f.Wrong, fmt.Sprintf("somebody was charged %s for an order that does not exist: %s", c.Amount, id))
		}
	}
	unresolved, err := orderSet(ctx, d, `select kind || ' ' || order_id as order_id from payment_discrepancies where resolved_at is null`)
	for u := range unresolved {
		f.Wrong = append(f.Wrong, "the provider's records and ours differ: "+u)
	}
	return err
}

// against is what the books have against an order; empty where they agree.
func (b books) against(o purchase) string {
	c := b.charges[o.ID]
	over := o.Status == "refunded" || o.Status == "cancelled"
	switch {
	case b.owing[o.ID]:
		return "a refund is still on its way"
	case o.bought() && (!c.made() || !c.Amount.Equal(o.Total) || !c.Refunded.Equal(o.Refunded)):
		return fmt.Sprintf("its charge is %q, of %s with %s refunded", c.State, c.Amount, c.Refunded)
	case over && c.made() && !c.Refunded.Equal(c.Amount):
		return fmt.Sprintf("%s of %s went back", c.Refunded, c.Amount)
	}
	return ""
}
