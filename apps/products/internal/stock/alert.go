package stock

import "time"

// AlertKind says what a product last crossed.
type AlertKind string

// A product is out while nothing of it is available, low while something is but no more than its threshold, and back once
// there is something again after it was out.
const (
	Low    AlertKind = "low"
	Out    AlertKind = "out"
	Back   AlertKind = "back"
	enough AlertKind = "" // more than the threshold
)

// StockAlert is a product that needs an eye on it: low, out of stock, or, for a week, back in stock.
type StockAlert struct {
	ProductID int64     `json:"product_id"`
	SKU       string    `json:"sku"`
	Name      string    `json:"name"`
	Kind      AlertKind `json:"kind"`
	Available int       `json:"available"`
	Threshold int       `json:"threshold"`
	Since     time.Time `json:"since"`
}

// NotifyRequest is a product that somebody wants to be told of when it is back.
type NotifyRequest struct {
	ProductID   int64     `json:"product_id"`
	SKU         string    `json:"sku"`
	Name        string    `json:"name"`
	RequestedAt time.Time `json:"asked_at"`
}

// availability is what decides how a product stands.
type availability struct{ Available, Threshold int }

func (s availability) kind() AlertKind {
	switch {
	case s.Available <= 0:
		return Out
	case s.Available <= s.Threshold:
		return Low
	}
	return enough
}

// crossing is what happened to a product between two states of its shelf; crossed is false where nothing did that
// anybody should be told. Who goes straight from plenty to nothing is out, and was never low.
func crossing(before, after availability) (now AlertKind, crossed bool) {
	was, is := before.kind(), after.kind()
	if was == Out && is != Out {
		return Back, true
	}
	return is, was != is
}

// stockChange is a product whose availability, or threshold, has just been changed, and is locked.
type stockChange struct {
	ProductID       int64
	SKU             string
	Name            string
	OnSale          bool
	AvailableBefore int // available
	Available       int
	Threshold       int
	ThresholdBefore int // the threshold before
}

// usersPerEvent is how many of those who wait are named in one event.
const usersPerEvent = 100
