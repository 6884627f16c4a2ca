package stripe

import (
	"errors"
	"strings"
	"testing"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/shop"
)

// TestMinorUnits: Stripe charges the amount of the order, for all decimals of ISO 4217 and Stripe.
func TestMinorUnits(t *testing.T) {
	for _, c := range []struct {
		amount, currency string
		units            int64 // 0 if it cannot be charged
	}{
		{"599.98", "USD", 59998}, {"5", "EUR", 500}, {"0.05", "USD", 5},
		{"150000.00", "IDR", 15000000}, {"150000", "IDR", 15000000}, {"100.50", "PKR", 10050}, {"9.99", "COP", 999},
		{"1.50", "RSD", 150},
		{"500", "JPY", 500}, {"500", "KRW", 500}, {"500", "XPF", 500}, {"500.00", "MGA", 500}, {"500.50", "MGA", 0},
		{"1.230", "KWD", 1230}, {"1.23", "TND", 1230}, {"1.234", "KWD", 0}, {"0.001", "BHD", 0},
		{"5", "ISK", 500}, {"5", "UGX", 500}, {"1.250", "IQD", 125}, {"1.255", "IQD", 0},
	} {
		units, err := toMinor(shop.MustMoney(c.amount), c.currency)
		if units != c.units || (err != nil) != (c.units == 0) {
			t.Errorf("%+v: %d, %v", c, units, err)
		}
		if c.units == 0 {
			continue
		}
		if back, err := fromMinor(units, c.currency); err != nil || !back.Equal(shop.MustMoney(c.amount)) {
			t.Errorf("%+v: back to %s, %v", c, back, err)
		}
	}
}

// TestFromMinor: every amount can be compared, also one that the shop would not charge.
func TestFromMinor(t *testing.T) {
	for _, c := range []struct {
		units          int64
		currency, want string
	}{
		{505, "ISK", "5.05"}, {500, "ISK", "5"}, {1234, "KWD", "1.234"}, {150000, "IDR", "1500.00"}, {500, "MGA", "500.00"},
		{5, "XYZ", "0.05"},
	} {
		if got, err := fromMinor(c.units, c.currency); err != nil || got.String() != c.want {
			t.Errorf("%+v: %s, %v", c, got, err)
		}
	}
}

// TestUnsupportedAmount: an amount that Stripe cannot charge is declined without a call.
func TestUnsupportedAmount(t *testing.T) {
	p, c := New("sk_test_123", []string{"whsec_test"}, "http://127.0.0.1:1"), charge()
	c.Amount, c.Currency = shop.MustMoney("1.234"), "KWD"
	_, err := p.Charge(t.Context(), c)
	if !errors.Is(err, payment.ErrDeclined) || !strings.Contains(err.Error(), "1.234 KWD") {
		t.Errorf("charge: %v", err)
	}
	refund := payment.Refund{ID: shop.NewID(), OrderID: c.OrderID, Amount: c.Amount, Currency: c.Currency}
	if err := p.Refund(t.Context(), refund, "pi_1"); !errors.Is(err, payment.ErrRefused) {
		t.Errorf("refund: %v", err)
	}
}
