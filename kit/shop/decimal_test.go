package shop_test

import (
	"math"
	"strings"
	"testing"

	"sidecart/kit/shop"
)

func TestDecimalInt(t *testing.T) {
	for text, want := range map[string]int64{
		"2": 2, "2.0": 2, "2e0": 2, "20e-1": 2, "0.2e1": 2, "-2.00": -2, "0": 0, "-0": 0, "0e-99999": 0, "0e999999999999999999999": 0,
		"9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64, "1e18": 1e18, "0000": 0,
	} {
		d, ok := shop.ParseDecimal(text)
		if n, whole := d.Int(); !ok || !whole || n != want {
			t.Errorf("%s: %d, %t, %t", text, n, ok, whole)
		}
	}
	for _, text := range []string{
		"2.5", "1e-1", "1e19", "1e400", "1e999999999999999999999", "1e-999999999999999999999", "9223372036854775808", "1." + strings.Repeat("0", 999) + "1",
	} {
		d, ok := shop.ParseDecimal(text)
		if n, whole := d.Int(); !ok || whole {
			t.Errorf("%s: %d, %t", text, n, ok)
		}
	}
	for _, text := range []string{"", "-", "1.", ".1", "e1", "1e", "1e+", "+1", "1_0", "0x1", "NaN", "Infinity", "1e1e1", " 1", "١"} {
		if d, ok := shop.ParseDecimal(text); ok {
			t.Errorf("%s is %+v", text, d)
		}
	}
}

func TestDecimalInRange(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "0e308": true, "0e-308": true, "1e307": true, "1e-308": true, "1e308": false, "1e-309": false,
		"0e309": false, "0e-309": false, "0e9999999999999": false, "-0e99999999999999999999": false, "0.0e1073741823": false,
	} {
		if d, ok := shop.ParseDecimal(text); !ok || d.InRange() != want {
			t.Errorf("%s: %t, want %t", text, !want, want)
		}
	}
}
