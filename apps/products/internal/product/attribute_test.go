package product

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestValue(t *testing.T) {
	for given, want := range map[string]string{
		`"red"`: `"red"`, `12.50`: `12.50`, `-1e3`: `-1e3`, `true`: `true`, `false`: `false`, `""`: `""`, `"<b>"`: `"\u003cb\u003e"`,
	} {
		var v AttributeValue
		if err := json.Unmarshal([]byte(given), &v); err != nil {
			t.Errorf("%s: %v", given, err)
		}
		if got, err := json.Marshal(v); err != nil || string(got) != want {
			t.Errorf("%s became %s, %v", given, got, err)
		}
	}
	for _, given := range []string{`[]`, `{}`, `1e999`, strings.Repeat("1", 33), `"` + strings.Repeat("x", 501) + `"`, `"a\nb"`, `"a\u0000b"`} {
		var v AttributeValue
		if err := json.Unmarshal([]byte(given), &v); err == nil {
			t.Errorf("%s was taken", given)
		}
	}
}
