package stripe

import (
	"fmt"
	"slices"

	"sidecart/kit/shop"
)

// Stripe's decimals differ from ISO 4217's (https://docs.stripe.com/currencies, "Minor units" and "Special cases"). All
// other currencies have two, ISK and UGX included: ISO gives these none, and Stripe charges only whole ones.
var (
	zeroDecimals = []string{
		"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
	}
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

// toMinor is an amount in Stripe's minor unit of the currency. The error is for the buyer.
func toMinor(m shop.Money, currency string) (int64, error) {
	units, err := m.Units(decimals(currency))
	if err != nil || decimals(currency) == 3 && units%10 != 0 {
		return 0, fmt.Errorf("%s %s cannot be charged: it has too many decimals", m, currency)
	}
	return units, nil
}

// fromMinor is an amount of Stripe with ISO 4217's decimals, or with Stripe's if it is a fraction that ISO does not
// have.
func fromMinor(units int64, currency string) (shop.Money, error) {
	m, err := shop.MoneyOf(units, decimals(currency))
	if exact, inErr := m.In(currency); inErr == nil {
		return exact, err
	}
	return m, err
}
