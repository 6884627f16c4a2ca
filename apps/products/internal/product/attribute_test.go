package product

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAttributeValue(t *testing.T) {
	for input, want := range map[string]string{
		`"red"`: `"red"`, `12.50`: `12.50`, `-1e3`: `-1e3`, `true`: `true`, `false`: `false`, `""`: `""`, `"<b>"`: `"\u003cb\u003e"`,
	} {
		var v AttributeValue
		if err := json.Unmarshal([]byte(input), &v); err != nil {
			t.Errorf("%s: %v", input, err)
		}
		if got, err := json.Marshal(v); err != nil || string(got) != want {
			t.Errorf("%s became %s, %v", input, got, err)
		}
	}
	for _, input := range []string{`[]`, `{}`, `1e999`, strings.Repeat("1", 33), `"` + strings.Repeat("x", 501) + `"`, `"a\nb"`, `"a\u0000b"`} {
		var v AttributeValue
		if err := json.Unmarshal([]byte(input), &v); err == nil {
			t.Errorf("%s was accepted", input)
		}
	}
}
