package invariants

import (
	"context"
	"fmt"
	"time"

	"sidecart/kit/shop"
)

// charge is an entry in the ledger of the simulated payment provider.
type charge struct {
	Key, State       string
	Amount, Refunded shop.Money
	BegunAt          time.Time
}

// made reports whether money was taken, also if it was refunded later. The ledger counts a voided attempt as refunded,
// too; no money was taken then.
func (c charge) made() bool {
	return c.State == "approved" || c.State == "refunded" && c.Refunded.Sign() > 0
}

// providerRecords are the charges and refunds of all orders.
type providerRecords struct {
	charges       map[string]charge // by order
	refunding     map[string]bool   // a refund is in progress
	otherProvider map[string]bool   // charged by a real provider
}

func readProviderRecords(ctx context.Context, d *Databases) (b providerRecords, err error) {
	b.charges = map[string]charge{}
	ledger, err := rows[charge](ctx, d, "orders", `select key::text, state, amount, refunded, begun_at from simulated_ledger`)
	if err != nil {
		return b, err
	}
	for _, c := range ledger {
		b.charges[c.Key] = c
	}
	if b.refunding, err = orderSet(ctx, d, `select order_id::text from refunds where settled_at is null`); err != nil {
		return b, err
	}
	b.otherProvider, err = orderSet(ctx, d, `
		select order_id::text from payments where provider not in ('simulated', 'none')`)
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

// charged: an order has one charge of its total, refunds match, and a cancelled order is fully refunded. An order that
// costs nothing has no charge. Unrepaired discrepancies of the reconciliation are wrong, too.
func charged(ctx context.Context, d *Databases, f *Result, settled time.Time) error {
	bought, err := orders(ctx, d)
	if err != nil {
		return err
	}
	b, err := readProviderRecords(ctx, d)
	if err != nil {
		return err
	}
	f.Checked = len(b.charges)
	for _, o := range bought {
		if !o.UpdatedAt.After(settled) && !b.otherProvider[o.ID] {
			if wrong := b.against(o); wrong != "" {
				f.Wrong = append(f.Wrong, fmt.Sprintf("order %s of %s is %s with %s refunded, and %s",
					o.Number, o.Total, o.Status, o.Refunded, wrong))
			}
		}
		delete(b.charges, o.ID)
	}
	for id, c := range b.charges {
		if c.State == "approved" && c.BegunAt.Before(settled) {
			f.Wrong = append(f.Wrong,
				fmt.Sprintf("a charge of %s is for an order that does not exist: %s", c.Amount, id))
		}
	}
	unresolved, err := orderSet(ctx, d, `
		select kind || ' ' || order_id as order_id from payment_discrepancies where resolved_at is null`)
	for u := range unresolved {
		f.Wrong = append(f.Wrong, "the provider's records and ours differ: "+u)
	}
	return err
}

// against describes the discrepancy of an order and its charge; it is empty if there is none.
func (b providerRecords) against(o purchase) string {
	c := b.charges[o.ID]
	over := o.Status == "refunded" || o.Status == "cancelled"
	switch {
	case b.refunding[o.ID]:
		return "a refund is still in progress"
	case o.Total.Sign() == 0 && c.Amount.Sign() == 0:
		return ""
	case o.bought() && (!c.made() || !c.Amount.Equal(o.Total) || !c.Refunded.Equal(o.Refunded)):
		return fmt.Sprintf("its charge is %q, of %s with %s refunded", c.State, c.Amount, c.Refunded)
	case over && c.made() && !c.Refunded.Equal(c.Amount):
		return fmt.Sprintf("%s of %s were refunded", c.Refunded, c.Amount)
	}
	return ""
}
