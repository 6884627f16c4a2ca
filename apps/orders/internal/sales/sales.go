// Package sales is what was sold, added up by day and by product.
package sales

import (
	"math/rand/v2"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Sale is an order that was paid, or a part of one that goes back. Lines are what is sold or given back of it.
type Sale struct {
	PaidAt   time.Time
	Currency string
	Amount   shop.Money
	Whole    bool // nothing of the order is left
	Lines    []shop.OrderLine
}

func (s Sale) day() Day { return DayOf(s.PaidAt) }

// slots is over how many rows a sum is spread.
const slots = 16

func slot() int { return rand.IntN(slots) } //nolint:gosec // spreads load

// Day is a day of UTC, written 2026-11-25.
type Day struct{ time.Time }

// DayOf is the day of a moment.
func DayOf(t time.Time) Day { return Day{t.UTC().Truncate(24 * time.Hour)} }

// UnmarshalText reads 2026-11-25.
func (d *Day) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return errDay
	}
	d.Time = t
	return nil
}

// MarshalText writes 2026-11-25.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.Format(time.DateOnly)), nil }

// MarshalJSON writes "2026-11-25".
func (d Day) MarshalJSON() ([]byte, error) { return []byte(`"` + d.Format(time.DateOnly) + `"`), nil }

// UnmarshalJSON reads "2026-11-25".
func (d *Day) UnmarshalJSON(text []byte) error {
	if len(text) < 2 {
		return errDay
	}
	return d.UnmarshalText(text[1 : len(text)-1])
}

// JSONSchema describes it as a date.
func (Day) JSONSchema() map[string]any { return map[string]any{"type": "string", "format": "date"} }

type dayError struct{}

func (dayError) Error() string { return "must be a day like 2026-11-25" }

var errDay = dayError{}

// Totals is what was sold in a time. Revenue is what was paid less what went back; Orders are those that were not wholly given
// back, and AverageBasket is Revenue divided by them, rounded to the currency's decimals.
type Totals struct {
	Orders        int64      `json:"orders"`
	Gross         shop.Money `json:"gross"`
	Refunded      shop.Money `json:"refunded"`
	Revenue       shop.Money `json:"revenue"`
	AverageBasket shop.Money `json:"average_basket"`
}

// DailySales is a Sum of one day.
type DailySales struct {
	Day Day `json:"day"`
	Totals
}

// ProductSales is what was sold of one product and not given back.
type ProductSales struct {
	ProductID int64      `json:"product_id"`
	SKU       string     `json:"sku"`
	Name      string     `json:"name"`
	Quantity  int64      `json:"quantity"`
	Revenue   shop.Money `json:"revenue"`
}

// SalesReport is what was sold from a day to another, both included, in one currency. Statuses count the orders that were
// placed then, of all currencies.
type SalesReport struct {
	From       Day      `json:"from"`
	To         Day      `json:"to"`
	Currency   string   `json:"currency"`
	Currencies []string `json:"currencies"` // in which anything was sold then
	Totals
	Days        []DailySales     `json:"days"`
	Statuses    map[string]int64 `json:"statuses"`
	TopProducts []ProductSales   `json:"top_products"`
}

// Query is what a report is asked for: 30 days until today, and the currency with the most orders, unless told.
type Query struct {
	From     *Day   `query:"from"`
	To       *Day   `query:"to"`
	Currency string `query:"currency" validate:"omitempty,len=3"`
	Top      int    `query:"top" default:"10" validate:"min=1,max=100"`
}

const maxDays = 366

var errRange = fault.ErrInvalid.With("from", "must be at most 366 days before to, and not after it")

// dateRange fills in what was not told. It fails as invalid.
func (q Query) dateRange(now time.Time) (from, to Day, err error) {
	to = DayOf(now)
	if q.To != nil {
		to = *q.To
	}
	from = Day{to.AddDate(0, 0, -29)}
	if q.From != nil {
		from = *q.From
	}
	if days := to.Sub(from.Time).Hours() / 24; days < 0 || days >= maxDays {
		return from, to, errRange
	}
	return from, to, nil
}
