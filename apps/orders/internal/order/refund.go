package order

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// Refund is a refund of items of an order. It is created with the change of the order's status. SettledAt is when the
// provider had refunded the money. FailedAt and Failure are set if the provider refused; the refund then waits for an
// admin.
type Refund struct {
	ID        uuid.UUID    `json:"id"`
	OrderID   shop.OrderID `json:"-"`
	Items     []OrderItem  `json:"items"`
	Amount    shop.Money   `json:"amount"`
	Currency  string       `json:"currency"`
	Restock   bool         `json:"restock"`
	Void      bool         `json:"-"`      // of a cancelled order: a charge that is not settled is voided too
	Reason    string       `json:"reason"` // for people; may be empty
	By        string       `json:"by"`
	At        time.Time    `json:"at"`
	SettledAt *time.Time   `json:"settled_at"`
	FailedAt  *time.Time   `json:"failed_at,omitempty"`
	Failure   string       `json:"failure,omitempty"`
	Retries   int          `json:"-"`

	ReasonCode shop.Reason `json:"-"`
}

// ProviderRefundID is the refund's id at the provider. Each retry has another one, because a provider may repeat its
// response to a known id.
func (r Refund) ProviderRefundID() uuid.UUID {
	if r.Retries == 0 {
		return r.ID
	}
	return uuid.NewSHA1(r.ID, []byte(strconv.Itoa(r.Retries)))
}

// Outstanding is the money that is not refunded while the refund is not settled.
func (r Refund) Outstanding() payment.Record {
	return payment.Record{OrderID: r.OrderID, Amount: r.Amount, Currency: r.Currency}
}

// NewRefund is a refund to make: of the given items, or of all that is left if `items` is left out. Items that have not
// shipped are restocked; Restock means that shipped ones were returned and are restocked too.
type NewRefund struct {
	idempotency.Key
	Items   []OrderItem `json:"items" validate:"omitempty,min=1,max=100,unique=ProductID,dive"`
	Reason  string      `json:"reason" validate:"max=500,line" example:"arrived broken"`
	Restock bool        `json:"restock"`
}

// OpenRefunds returns the refunds of an order that are neither settled nor failed, oldest first.
func (s *Service) OpenRefunds(ctx context.Context, id shop.OrderID) ([]Refund, error) {
	all, err := refunds(ctx, s.db, id)
	return slices.DeleteFunc(all, func(r Refund) bool { return r.SettledAt != nil || r.FailedAt != nil }), err
}

// HasUnsettledRefunds reports whether an order has refunds that are not settled; failed ones count.
func (s *Service) HasUnsettledRefunds(ctx context.Context, id shop.OrderID) (bool, error) {
	all, err := refunds(ctx, s.db, id)
	return slices.ContainsFunc(all, func(r Refund) bool { return r.SettledAt == nil }), err
}

// CancellationRefund returns the id at the provider of the refund of a cancelled order, or nil if there is none.
func (s *Service) CancellationRefund(ctx context.Context, id shop.OrderID) (uuid.UUID, error) {
	all, err := refunds(ctx, s.db, id)
	if i := slices.IndexFunc(all, func(r Refund) bool { return r.Void }); i >= 0 {
		return all[i].ProviderRefundID(), err
	}
	return uuid.Nil, err
}

// SettleRefund records that a refund was made. It is idempotent.
func (s *Service) SettleRefund(ctx context.Context, r Refund) error {
	return s.db.Tx(ctx, func(tx event.TX) error { return settleRefund(ctx, tx, r) })
}

// FailRefund records that a refund cannot be made, and why. It is idempotent.
func (s *Service) FailRefund(ctx context.Context, r Refund, reason string) error {
	return s.db.Tx(ctx, func(tx event.TX) error { return failRefund(ctx, tx, r, reason, false) })
}

// RefundFailed records that a refund failed after the provider had accepted it, and returns the outstanding money. The
// provider may send this twice, before the refund is settled, and after a retry: a retry has another id at the
// provider, and found is then false.
func (s *Service) RefundFailed(
	ctx context.Context, id shop.OrderID, refund uuid.UUID, reason string,
) (outstanding payment.Record, found bool, err error) {
	all, err := refunds(ctx, s.db, id)
	i := slices.IndexFunc(all, func(r Refund) bool { return r.ProviderRefundID() == refund })
	if err != nil || i < 0 {
		return outstanding, false, err
	}
	err = s.db.Tx(ctx, func(tx event.TX) error { return failRefund(ctx, tx, all[i], reason, true) })
	return all[i].Outstanding(), true, err
}

// remainingQuantities are the quantities by product that no earlier refund covers.
func remainingQuantities(lines []shop.OrderLine, earlier []Refund) map[int64]int {
	remaining := map[int64]int{}
	for _, l := range lines {
		remaining[l.ProductID] += l.Quantity
	}
	for _, r := range earlier {
		for _, item := range r.Items {
			remaining[item.ProductID] -= item.Quantity
		}
	}
	return remaining
}

// remainingItems are the items that no earlier refund covers, in the order of the lines.
func remainingItems(lines []shop.OrderLine, earlier []Refund) []OrderItem {
	remaining := remainingQuantities(lines, earlier)
	items := []OrderItem{}
	for _, l := range lines {
		if n := remaining[l.ProductID]; n > 0 {
			items = append(items, OrderItem{ProductID: l.ProductID, Quantity: n})
		}
	}
	return items
}

// refundAmount is the amount of a refund of items, and whether nothing of the order is left after it. It fails with
// ErrNotInOrder or ErrRefundTooLarge, naming the items by position.
func refundAmount(o Order, earlier []Refund, items []OrderItem) (amount shop.Money, full bool, err error) {
	remaining := remainingQuantities(o.Items, earlier)
	unknown, short := ErrNotInOrder, ErrRefundTooLarge
	for i, item := range items {
		left, ok := remaining[item.ProductID]
		switch {
		case !ok:
			unknown = unknown.With(fmt.Sprintf("items[%d].product_id", i), "is not in this order")
		case left < item.Quantity:
			short = short.With(fmt.Sprintf("items[%d].quantity", i), fmt.Sprintf("only %d left to refund", left))
		default:
			remaining[item.ProductID] -= item.Quantity
		}
	}
	switch {
	case len(unknown.Fields) > 0:
		return amount, false, unknown
	case len(short.Fields) > 0:
		return amount, false, short
	}
	lines, err := o.linesOf(items)
	if err != nil {
		return amount, false, err
	}
	for _, l := range lines {
		if amount, err = shop.Sum(amount, l.Total); err != nil {
			return amount, false, err
		}
	}
	total := 0
	for _, n := range remaining {
		total += n
	}
	return amount, total == 0, nil
}

// linesOf are items of the order with its prices.
func (o Order) linesOf(items []OrderItem) ([]shop.OrderLine, error) {
	ordered := map[int64]shop.OrderLine{}
	for _, l := range o.Items {
		ordered[l.ProductID] = l
	}
	lines := make([]shop.OrderLine, len(items))
	for i, item := range items {
		l := ordered[item.ProductID]
		total, err := shop.Product(l.UnitPrice, item.Quantity)
		if err != nil {
			return nil, err
		}
		l.Quantity, l.Total = item.Quantity, total
		lines[i] = l
	}
	return lines, nil
}
