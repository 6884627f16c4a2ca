package stripe

import (
	"fmt"
	"slices"

	"sidecart/kit/shop"
)

// How Stripe counts, which is not everywhere what ISO 4217 says (https://docs.stripe.com/currencies, "Minor units" and "Special
// cases"). All others have two decimals there; ISK and UGX too, of which only whole ones can be charged, and ISO has no others.
var (
	zeroDecimals  = []string{"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
	threeDecimals = []string{"BHD", "JOD", "KWD", "OMR", "TND"} // the last of which is always 0
)

func decimals(currency string) int {
	switch {
	case slices.Contains(zeroDecimals, currency):
		return 0
	case slices.Contains(threeDecimals, currency):
		return 3
	}
	return 2
}

// toMinor is an amount in the unit in which Stripe counts its currency. It fails where Stripe cannot take that amount, and says so
// to the buyer.
func toMinor(m shop.Money, currency string) (int64, error) {
	units, err := m.Units(decimals(currency))
	if err != nil || decimals(currency) == 3 && units%10 != 0 {
		return 0, fmt.Errorf("%s %s cannot be paid by this provider: it has too many decimals", m, currency)
	}
	return units, nil
}

// fromMinor is what Stripe counted, with the decimals of ISO 4217; with Stripe's where it has taken a part of what ISO does not divide.
func fromMinor(units int64, currency string) (shop.Money, error) {
	m, err := shop.MoneyOf(units, decimals(currency))
	if exact, inErr := m.In(currency); inErr == nil {
		return exact, err
	}
	return m, err
}
