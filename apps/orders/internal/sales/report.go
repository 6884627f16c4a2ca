package sales

import (
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

var errCurrency = fault.ErrInvalid.With("currency", "is not a currency of ISO 4217")

// dailyTotals are the sales of each day of a time range, also of days without sales, and their total.
func dailyTotals(from, to Day, currency string, found []DailySales) (days []DailySales, total Totals, err error) {
	known := map[string]Totals{}
	for _, d := range found {
		known[d.Day.t.Format(time.DateOnly)] = d.Totals
	}
	for day := from; !day.t.After(to.t); day = (Day{day.t.AddDate(0, 0, 1)}) {
		sum := known[day.t.Format(time.DateOnly)]
		total.Orders += sum.Orders
		if total.Gross, err = shop.Sum(total.Gross, sum.Gross); err != nil {
			return nil, total, err
		}
		if total.Refunded, err = shop.Sum(total.Refunded, sum.Refunded); err != nil {
			return nil, total, err
		}
		if sum, err = sum.finish(currency); err != nil {
			return nil, total, err
		}
		days = append(days, DailySales{day, sum})
	}
	total, err = total.finish(currency)
	return days, total, err
}

// finish computes Revenue and AverageBasket, and gives all amounts the currency's decimals.
func (s Totals) finish(currency string) (Totals, error) {
	var err error
	if s.Revenue, err = shop.Sum(s.Gross, s.Refunded.Negative()); err != nil {
		return s, err
	}
	for _, amount := range []*shop.Money{&s.Gross, &s.Refunded, &s.Revenue} {
		if *amount, err = amount.In(currency); err != nil {
			return s, err
		}
	}
	s.AverageBasket, err = s.Revenue.Over(s.Orders)
	return s, err
}
