// Package sales holds the sales by day and by product.
package sales

import (
	"errors"
	"math/rand/v2"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Sale is a paid order, or a refund of it with the refunded Lines.
type Sale struct {
	PaidAt   time.Time
	Currency string
	Amount   shop.Money
	Full     bool // the refund leaves nothing of the order
	Lines    []shop.OrderLine
}

// slots is the number of rows over which a total is spread, so that concurrent sales do not wait for one row.
const slots = 16

func slot() int { return rand.IntN(slots) } //nolint:gosec // spreads load

// Day is a day of UTC, such as 2026-11-25.
type Day struct{ t time.Time }

// DayOf returns the day of a time.
func DayOf(t time.Time) Day { return Day{t.UTC().Truncate(24 * time.Hour)} }

// UnmarshalText parses 2026-11-25.
func (d *Day) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return errDay
	}
	d.t = t
	return nil
}

// MarshalText formats 2026-11-25.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.t.Format(time.DateOnly)), nil }

// JSONSchema describes a Day as a date.
func (Day) JSONSchema() map[string]any { return map[string]any{"type": "string", "format": "date"} }

var errDay = errors.New("must be a day like 2026-11-25")

// Totals are the sales of a time range. Revenue is Gross less Refunded. Orders counts the orders that are not wholly
// refunded, and AverageBasket is Revenue divided by it, rounded to the currency's decimals.
type Totals struct {
	Orders        int64      `json:"orders"`
	Gross         shop.Money `json:"gross"`
	Refunded      shop.Money `json:"refunded"`
	Revenue       shop.Money `json:"revenue"`
	AverageBasket shop.Money `json:"average_basket"`
}

// DailySales are the sales of one day.
type DailySales struct {
	Day Day `json:"day"`
	Totals
}

// ProductSales are the sales of one product, without refunds.
type ProductSales struct {
	ProductID int64      `json:"product_id"`
	SKU       string     `json:"sku"`
	Name      string     `json:"name"`
	Quantity  int64      `json:"quantity"`
	Revenue   shop.Money `json:"revenue"`
}

// SalesReport are the sales in one currency from one day to another, both included. Statuses counts the orders in all
// currencies that were placed in that time.
type SalesReport struct {
	From       Day      `json:"from"`
	To         Day      `json:"to"`
	Currency   string   `json:"currency"`
	Currencies []string `json:"currencies"` // of all sales in that time
	Totals
	Days        []DailySales     `json:"days"`
	Statuses    map[string]int64 `json:"statuses"`
	TopProducts []ProductSales   `json:"top_products"`
}

// Query selects a report. The defaults are the last 30 days and the currency with the most orders.
type Query struct {
	From     *Day   `query:"from" doc:"First day (UTC). Default: 30 days in all."`
	To       *Day   `query:"to" doc:"Last day (UTC). Default: today."`
	Currency string `query:"currency" validate:"omitempty,len=3" doc:"Default: the currency with the most orders."`
	Top      int    `query:"top" default:"10" validate:"min=1,max=100" doc:"How many of the best-selling products."`
}

const maxDays = 366

var errRange = fault.ErrInvalid.With("from", "must be at most 366 days before to, and not after it")

// dateRange applies the defaults. It fails with errRange.
func (q Query) dateRange(now time.Time) (from, to Day, err error) {
	to = DayOf(now)
	if q.To != nil {
		to = *q.To
	}
	from = Day{to.t.AddDate(0, 0, -29)}
	if from.t.Year() < 0 { // which a date cannot write
		from = Day{time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	if q.From != nil {
		from = *q.From
	}
	if days := to.t.Sub(from.t).Hours() / 24; days < 0 || days >= maxDays {
		return from, to, errRange
	}
	return from, to, nil
}
