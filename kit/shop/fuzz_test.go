package shop_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"sidecart/kit/shop"
)

// FuzzMoney: an amount that is read is that number, and is written and read again without a change.
func FuzzMoney(f *testing.F) {
	for _, seed := range []string{
		"299.99", "0", "-0", "-0.0", "5.000", "1E+2", "1e-99999", "0e-99999", "1e400", "2e0", "1e999999999999", "999999999999.999999", "1000000000000", "9223372036854775808",
		"NaN", "Infinity", "01", "+1", ".5", "5.", "0x10", "1_0", "１", "--1", "-", "", " 1", "1\x00", `"1"`, "null", strings.Repeat("9", 400),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := shop.ParseMoney(text)
		if err != nil {
			return
		}
		var sent, stored shop.Money
		if m.TooLarge() {
			t.Fatalf("%q is accepted", text)
		}
		value, ok := new(big.Rat).SetString(m.String())
		if want, isNumber := new(big.Rat).SetString(text); !ok || !isNumber || want.Cmp(value) != 0 {
			t.Fatalf("%q is read as %s", text, m)
		}
		wire, err := json.Marshal(m)
		if err != nil || json.Unmarshal(wire, &sent) != nil || sent != m {
			t.Fatalf("%s is sent as %s and read as %s: %v", m, wire, sent, err)
		}
		if err := stored.Scan(m.String()); err != nil || stored != m {
			t.Fatalf("%s is stored and read as %s: %v", m, stored, err)
		}
	})
}
