package shop_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sidecart/kit/shop"
)

// anAmount is one that a request may have, and the same as a fraction.
func anAmount(t *rapid.T, name string) (shop.Money, *big.Rat) {
	decimals := rapid.IntRange(0, 6).Draw(t, name+"'s decimals")
	limit := int64(1e12)
	for range decimals {
		limit *= 10
	}
	units := rapid.OneOf(rapid.Int64Range(1-limit, limit-1), rapid.Int64Range(-1000, 1000), rapid.SampledFrom([]int64{1 - limit, limit - 1})).Draw(t, name)
	m, err := shop.MoneyOf(units, decimals)
	if err != nil {
		t.Fatal(err)
	}
	return m, rational(t, m)
}

func rational(t *rapid.T, m shop.Money) *big.Rat {
	value, ok := new(big.Rat).SetString(m.String())
	if !ok {
		t.Fatalf("%s is no number", m)
	}
	return value
}

// checkResult checks a result against the fraction that it should be: right and readable everywhere, or refused because
// it is 10^12 or more.
func checkResult(t *rapid.T, got shop.Money, err error, want *big.Rat) {
	if large := new(big.Rat).Abs(want).Cmp(big.NewRat(1e12, 1)) >= 0; large != (err != nil) {
		t.Fatalf("%s: %v", want.FloatString(6), err)
	}
	if err != nil {
		return
	}
	if rational(t, got).Cmp(want) != 0 {
		t.Fatalf("%s, want %s", got, want.FloatString(6))
	}
	parsed, err := shop.ParseMoney(got.String())
	if err != nil || parsed != got {
		t.Fatalf("%s is read as %s, %v", got, parsed, err)
	}
	var stored, sent shop.Money
	value, err := got.Value()
	if err != nil || stored.Scan(value) != nil || stored != got {
		t.Fatalf("%s is stored as %v and read as %s, %v", got, value, stored, err)
	}
	wire, err := json.Marshal(got)
	if err != nil || json.Unmarshal(wire, &sent) != nil || sent != got {
		t.Fatalf("%s is sent as %s and read as %s, %v", got, wire, sent, err)
	}
}

// TestMoneyIsArithmetic: results are exact, and survive JSON and SQL.
func TestMoneyIsArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, x := anAmount(t, "a")
		b, y := anAmount(t, "b")
		checkResult(t, a, nil, x)
		n := rapid.OneOf(rapid.IntRange(-1000, 1000), rapid.Int()).Draw(t, "n")
		product, err := a.Times(n)
		checkResult(t, product, err, new(big.Rat).Mul(x, new(big.Rat).SetInt64(int64(n))))
		sum, err := a.Plus(b)
		checkResult(t, sum, err, new(big.Rat).Add(x, y))
		if a.Equal(b) != (x.Cmp(y) == 0) || a.Sign() != x.Sign() || rational(t, a.Negative()).Cmp(new(big.Rat).Neg(x)) != 0 {
			t.Fatalf("%s and %s", a, b)
		}
		code := rapid.SampledFrom([]string{"JPY", "USD", "IDR", "KWD", "CLF"}).Draw(t, "currency")
		if in, err := a.In(code); err == nil {
			checkResult(t, in, nil, x)
		}
	})
}

// TestLargeAmountsCanBeRead: stored orders and sums may be larger than requested amounts.
func TestLargeAmountsCanBeRead(t *testing.T) {
	for _, text := range []string{"1000000000000", "1000000000000.00", "-1000000000000", "9223372036854775807", "92233720368547758.07"} {
		if _, err := shop.ParseMoney(text); err == nil {
			t.Errorf("%s is accepted in a request", text)
		}
		var stored, decoded shop.Money
		if err := stored.Scan(text); err != nil || stored.String() != text || !stored.TooLarge() {
			t.Errorf("%s is read as %s, %v", text, stored, err)
		}
		if err := json.Unmarshal([]byte(text), &decoded); err != nil || decoded != stored {
			t.Errorf("%s is decoded as %s, %v", text, decoded, err)
		}
		if _, err := stored.In("CLF"); err == nil && strings.HasPrefix(text, "9") {
			t.Errorf("%s has no room for four decimals", text)
		}
	}
	var m shop.Money
	if err := m.Scan("9223372036854775808"); err == nil {
		t.Errorf("what does not fit was read as %s", m)
	}
}
