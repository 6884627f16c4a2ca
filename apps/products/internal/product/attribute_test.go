package product

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAttributeValue(t *testing.T) {
	for input, want := range map[string]string{
		`"red"`: `"red"`, `12.50`: `12.50`, `-1e3`: `-1e3`, `true`: `true`, `false`: `false`, `""`: `""`, `"<b>"`: `"\u003cb\u003e"`,
		`1e30`: `1e30`, `1` + strings.Repeat("0", 99): `1` + strings.Repeat("0", 99), `0.` + strings.Repeat("0", 99) + `1`: `0.` + strings.Repeat("0", 99) + `1`,
	} {
		var v AttributeValue
		if err := json.Unmarshal([]byte(input), &v); err != nil {
			t.Errorf("%s: %v", input, err)
		}
		if got, err := json.Marshal(v); err != nil || string(got) != want {
			t.Errorf("%s became %s, %v", input, got, err)
		}
	}
	for _, input := range []string{`[]`, `{}`, `1e+`, strings.Repeat("1", 33), `"` + strings.Repeat("x", 501) + `"`, `"a\nb"`, `"a\u0000b"`} {
		var v AttributeValue
		if err := json.Unmarshal([]byte(input), &v); err == nil {
			t.Errorf("%s was accepted", input)
		}
	}
}

func TestParseValue(t *testing.T) {
	for text, want := range map[string]string{
		"red": `"red"`, "12.50": `12.50`, "true": `true`, `"red"`: `"red"`, "": `""`, "1e300": `1e300`,
		"1e-99999": `"1e-99999"`, "0e-99999": `"0e-99999"`, "1e99999": `"1e99999"`, "01": `"01"`, "null": `"null"`, "[1]": `"[1]"`,
	} {
		if got, err := json.Marshal(parseValue(text)); err != nil || string(got) != want {
			t.Errorf("%s became %s, %v", text, got, err)
		}
	}
}
