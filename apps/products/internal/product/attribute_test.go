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
		"1e-99999": `"1e-99999"`, "0e-99999": `"0e-99999"`, "0e9999999999": `"0e9999999999"`, "1e99999": `"1e99999"`, "01": `"01"`, "null": `"null"`, "[1]": `"[1]"`,
	} {
		if got, err := json.Marshal(parseValue(text)); err != nil || string(got) != want {
			t.Errorf("%s became %s, %v", text, got, err)
		}
	}
}

func TestEqualValues(t *testing.T) {
	for _, c := range []struct {
		one, two string
		equal    bool
	}{
		{`1e3`, `1000`, true}, {`1.50e1`, `15.0`, true}, {`1E+2`, `100`, true}, {`-0`, `0`, true}, {`0e9`, `0`, true}, {`5e-1`, `0.5`, true}, {`1e300`, `1` + strings.Repeat("0", 300), true},
		{`1.5`, `1.50`, false}, {`0`, `0.0`, false}, {`1`, `-1`, false}, {`1`, `10`, false}, {`1`, `"1"`, false}, {`"1e3"`, `"1000"`, false}, {`true`, `"true"`, false}, {`""`, `""`, true},
	} {
		var one, two AttributeValue
		if json.Unmarshal([]byte(c.one), &one) != nil || json.Unmarshal([]byte(c.two), &two) != nil || one.equal(two) != c.equal || two.equal(one) != c.equal {
			t.Errorf("%s and %s: equal is not %v", c.one, c.two, c.equal)
		}
	}
}
