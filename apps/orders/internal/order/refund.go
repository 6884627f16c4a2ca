package order

import (
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// Refund is what goes back of an order. It is decided with the order's status, and SettledAt is when the provider had
// given the money back. FailedAt is when the provider refused for good, and Failure why; it then waits for an admin.
type Refund struct {
	ID        uuid.UUID    `json:"id"`
	OrderID   shop.OrderID `json:"-"`
	Items     []OrderItem  `json:"items"`
	Amount    shop.Money   `json:"amount"`
	Currency  string       `json:"currency"`
	Restock   bool         `json:"restock"`
	Void      bool         `json:"-"`      // the whole order ends, a charge on its way included
	Reason    string       `json:"reason"` // the text of ReasonCode where there is one
	By        string       `json:"by"`
	At        time.Time    `json:"at"`
	SettledAt *time.Time   `json:"settled_at"`
	FailedAt  *time.Time   `json:"failed_at,omitempty"`
	Failure   string       `json:"failure,omitempty"`
	Retries   int          `json:"-"`

	ReasonCode shop.Reason `json:"-"`
}

// ProviderRefundID is what a provider knows the refund by: another one after each retry, because a provider may answer what it
// knows as it did before.
func (r Refund) ProviderRefundID() uuid.UUID {
	if r.Retries == 0 {
		return r.ID
	}
	return uuid.NewSHA1(r.ID, []byte(strconv.Itoa(r.Retries)))
}

// Outstanding is the money that is not given back while the refund is not settled.
func (r Refund) Outstanding() payment.Record {
	return payment.Record{OrderID: r.OrderID, Amount: r.Amount, Currency: r.Currency}
}

// NewRefund is what an admin gives back: the named items, or all that is left without any. The goods go back on the shelf
// if they have not shipped, or if Restock says that they came back.
type NewRefund struct {
	idempotency.Key
	Items   []OrderItem `json:"items" validate:"max=100,unique=ProductID,dive"`
	Reason  string      `json:"reason" validate:"max=500,line" example:"arrived broken"`
	Restock bool        `json:"restock"`
}

// remainingQuantities is what of an order's lines no refund has given back yet.
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

// remainingItems is all that is left of an order, line by line.
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

// refundAmount is what items of an order cost in it, and whether nothing is left when they went back. It fails with
// ErrNotInOrder or ErrTooMuch, naming the items by place.
func refundAmount(o Order, earlier []Refund, items []OrderItem) (amount shop.Money, whole bool, err error) {
	prices := map[int64]shop.Money{}
	for _, l := range o.Items {
		prices[l.ProductID] = l.UnitPrice
	}
	remaining, total := remainingQuantities(o.Items, earlier), 0
	unknown, short := ErrNotInOrder, ErrRefundTooLarge
	for i, item := range items {
		price, ok := prices[item.ProductID]
		if !ok {
			unknown = unknown.With(fmt.Sprintf("items[%d].product_id", i), "is not in this order")
			continue
		}
		if remaining[item.ProductID] < item.Quantity {
			short = short.With(fmt.Sprintf("items[%d].quantity", i), fmt.Sprintf("only %d left to give back", remaining[item.ProductID]))
			continue
		}
		remaining[item.ProductID] -= item.Quantity
		part, err := shop.Product(price, item.Quantity)
		if err != nil {
			return amount, false, err
		}
		if amount, err = shop.Sum(amount, part); err != nil {
			return amount, false, err
		}
	}
	switch {
	case len(unknown.Fields) > 0:
		return amount, false, unknown
	case len(short.Fields) > 0:
		return amount, false, short
	}
	for _, n := range remaining {
		total += n
	}
	return amount, total == 0, nil
}

// linesOf are some items of an order as they were sold.
func (o Order) linesOf(items []OrderItem) ([]shop.OrderLine, error) {
	sold := map[int64]shop.OrderLine{}
	for _, l := range o.Items {
		sold[l.ProductID] = l
	}
	lines := make([]shop.OrderLine, len(items))
	for i, item := range items {
		l := sold[item.ProductID]
		total, err := shop.Product(l.UnitPrice, item.Quantity)
		if err != nil {
			return nil, err
		}
		l.Quantity, l.Total = item.Quantity, total
		lines[i] = l
	}
	return lines, nil
}
