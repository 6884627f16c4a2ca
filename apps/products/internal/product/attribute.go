package product

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"

	"sidecart/kit/shop"
)

// AttributeValue is a string, a number or a boolean. The zero AttributeValue is the empty string.
type AttributeValue struct{ json string } // as JSON

// ErrAttributeValue means that a value has another type or is too long.
var ErrAttributeValue = errors.New("must be a string of at most 500 characters on one line, a number of at most 32 digits, or true or false")

// StringValue returns text as a value.
func StringValue(text string) AttributeValue {
	encoded, _ := json.Marshal(text) // a text can always be encoded
	return AttributeValue{string(encoded)}
}

// parseValue returns the number or boolean that text spells, otherwise text as a string.
func parseValue(text string) AttributeValue {
	var v AttributeValue
	number, isNumber := shop.ParseDecimal(text)
	if json.Valid([]byte(text)) && (!isNumber || number.InRange()) && v.UnmarshalJSON([]byte(text)) == nil {
		return v
	}
	return StringValue(text)
}

// UnmarshalJSON fails with ErrAttributeValue.
func (v *AttributeValue) UnmarshalJSON(raw []byte) error {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return ErrAttributeValue
	case raw[0] == '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil || len([]rune(text)) > 500 || strings.ContainsFunc(text, unicode.IsControl) {
			return ErrAttributeValue
		}
		*v = StringValue(text)
		return nil
	case string(raw) == "true", string(raw) == "false":
	default:
		// A number in jsonb has no exponent, so the limit is not on the length of the text: what was stored can be
		// read.
		number, ok := shop.ParseDecimal(string(raw))
		if !ok || len(strings.TrimRight(number.Digits, "0")) > 32 {
			return ErrAttributeValue
		}
	}
	v.json = string(raw)
	return nil
}

// MarshalJSON writes the value exactly as it was read.
func (v AttributeValue) MarshalJSON() ([]byte, error) {
	if v.json == "" {
		return []byte(`""`), nil
	}
	return []byte(v.json), nil
}

// equal reports whether two values are stored alike: 1e3 and 1000 are, 1.5 and 1.50 are not.
func (v AttributeValue) equal(other AttributeValue) bool {
	one, ok := shop.ParseDecimal(v.json)
	two, both := shop.ParseDecimal(other.json)
	if !ok || !both {
		return v == other
	}
	return storedAs(one) == storedAs(two)
}

// A storedNumber is what jsonb keeps of a number: its value, and how many decimals it is written with.
type storedNumber struct {
	negative           bool
	digits             string
	exponent, decimals int
}

func storedAs(d shop.Decimal) storedNumber {
	n := storedNumber{decimals: max(0, d.Scale), digits: strings.TrimRight(d.Digits, "0")}
	if n.digits != "" {
		n.negative, n.exponent = d.Negative, len(d.Digits)-len(n.digits)-d.Scale
	}
	return n
}

// JSONSchema is one of three types.
func (AttributeValue) JSONSchema() map[string]any {
	return map[string]any{"description": "A text of at most 500 characters, a number, or true or false.", "oneOf": []any{
		map[string]any{"type": "string", "maxLength": 500}, map[string]any{"type": "number"}, map[string]any{"type": "boolean"},
	}}
}
