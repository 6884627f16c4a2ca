package order

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"sidecart/kit/shop"
)

// TestV2HasNoNumbersOfMoney walks through the type, so that version 2 does not miss a new amount.
func TestV2HasNoNumbersOfMoney(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var walk func(at string, typ reflect.Type)
	walk = func(at string, typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Slice, reflect.Pointer:
			walk(at, typ.Elem())
		case reflect.Struct:
			if typ == reflect.TypeFor[shop.Money]() {
				t.Errorf("%s is a number", at)
			}
			if seen[typ] {
				return
			}
			seen[typ] = true
			for _, f := range reflect.VisibleFields(typ) {
				if f.IsExported() && !f.Anonymous && f.Tag.Get("json") != "-" {
					walk(at+"."+f.Name, f.Type)
				}
			}
		}
	}
	walk("OrderV2", reflect.TypeFor[OrderV2]())
	if len(seen) < 5 {
		t.Errorf("only %d types were seen", len(seen))
	}
}

func TestToV2(t *testing.T) {
	o := Order{Currency: "USD", Total: shop.MustMoney("90071992547.01"), Refunded: shop.MustMoney("0.10"),
		Items:   []shop.OrderLine{{UnitPrice: shop.MustMoney("90071992547.01"), Total: shop.MustMoney("90071992547.01")}},
		Refunds: []Refund{{Amount: shop.MustMoney("0.10"), Reason: "late"}}}
	text, err := json.Marshal(toV2(o))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"total":{"amount":"90071992547.01","currency":"USD"}`, `"refunded":{"amount":"0.10","currency":"USD"}`,
		`"unit_price":{"amount":"90071992547.01"`, `"refunds":[{`, `"reason":"late"`,
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %s in %s", part, text)
		}
	}
}
