package stock

import "time"

// Kind says what a product last crossed.
type Kind string

// A product is out while nothing of it is available, low while something is but no more than its threshold, and back once
// there is something again after it was out.
const (
	Low  Kind = "low"
	Out  Kind = "out"
	Back Kind = "back"
	well Kind = "" // more than the threshold
)

// StockAlert is a product that needs an eye on it: low, out of stock, or, for a week, back in stock.
type StockAlert struct {
	ProductID int64     `json:"product_id"`
	SKU       string    `json:"sku"`
	Name      string    `json:"name"`
	Kind      Kind      `json:"kind"`
	Available int       `json:"available"`
	Threshold int       `json:"threshold"`
	Since     time.Time `json:"since"`
}

// Awaited is a product that somebody wants to be told of when it is back.
type Awaited struct {
	ProductID int64     `json:"product_id"`
	SKU       string    `json:"sku"`
	Name      string    `json:"name"`
	AskedAt   time.Time `json:"asked_at"`
}

// shelf is what decides how a product stands.
type shelf struct{ Available, Threshold int }

func (s shelf) kind() Kind {
	switch {
	case s.Available <= 0:
		return Out
	case s.Available <= s.Threshold:
		return Low
	}
	return well
}

// crossing is what happened to a product between two states of its shelf; crossed is false where nothing did that
// anybody should be told. Who goes straight from plenty to nothing is out, and was never low.
func crossing(before, after shelf) (now Kind, crossed bool) {
	was, is := before.kind(), after.kind()
	if was == Out && is != Out {
		return Back, true
	}
	return is, was != is
}

// moved is a product whose availability, or threshold, has just been changed, and is locked.
type moved struct {
	ProductID int64
	SKU       string
	Name      string
	OnSale    bool
	Before    int // available
	Available int
	Threshold int
	Was       int // the threshold before
}

// atOnce is how many of those who wait are named in one event.
const atOnce = 100
