package sales

import (
	"testing"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

func day(text string) *Day {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return &Day{t}
}

func TestDateRange(t *testing.T) {
	now := time.Date(2026, 11, 25, 23, 30, 0, 0, time.FixedZone("", -3600)) // the 26th in UTC
	for name, c := range map[string]struct {
		q        Query
		from, to string
	}{
		"defaults":    {Query{}, "2026-10-28", "2026-11-26"},
		"from":        {Query{From: day("2026-11-01")}, "2026-11-01", "2026-11-26"},
		"to":          {Query{To: day("2026-03-01")}, "2026-01-31", "2026-03-01"},
		"one day":     {Query{From: day("2026-03-01"), To: day("2026-03-01")}, "2026-03-01", "2026-03-01"},
		"a leap year": {Query{From: day("2024-01-01"), To: day("2024-12-31")}, "2024-01-01", "2024-12-31"},
		"reversed":    {Query{From: day("2026-03-02"), To: day("2026-03-01")}, "", ""},
		"too long":    {Query{From: day("2025-01-01"), To: day("2026-01-02")}, "", ""},
	} {
		from, to, err := c.q.dateRange(now)
		if c.from == "" {
			if err == nil || fault.Of(err).Kind != fault.Invalid {
				t.Errorf("%s: %v to %v, %v", name, from, to, err)
			}
			continue
		}
		if err != nil || from.t.Format(time.DateOnly) != c.from || to.t.Format(time.DateOnly) != c.to {
			t.Errorf("%s: %v to %v, %v", name, from, to, err)
		}
	}
}

func TestDailyTotals(t *testing.T) {
	sold := Totals{Orders: 3, Gross: shop.MustMoney("100.00"), Refunded: shop.MustMoney("0.01")}
	found := []DailySales{{*day("2026-03-02"), sold}}
	days, total, err := dailyTotals(*day("2026-03-01"), *day("2026-03-03"), "USD", found)
	if err != nil || len(days) != 3 || days[0].Revenue.String() != "0.00" || days[1].Revenue.String() != "99.99" ||
		days[1].AverageBasket.String() != "33.33" {
		t.Fatalf("%+v, %v", days, err)
	}
	if total.Orders != 3 || total.Revenue.String() != "99.99" || total.AverageBasket.String() != "33.33" {
		t.Errorf("%+v", total)
	}
}
