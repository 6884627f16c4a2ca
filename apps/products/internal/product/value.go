package product

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
)

// Value is one attribute's: a text, a number or true or false. The zero Value is the empty text.
type Value struct{ text string } // as JSON

// ErrValue is what every refusal of a value is.
var ErrValue = errors.New("must be a text of at most 500 characters on one line, a number, or true or false")

// TextValue is a text.
func TextValue(text string) Value {
	encoded, _ := json.Marshal(text) // a text can always be encoded
	return Value{string(encoded)}
}

// readValue is the number, or the true or false, that a text stands for, else the text.
func readValue(text string) Value {
	var v Value
	if json.Valid([]byte(text)) && v.UnmarshalJSON([]byte(text)) == nil {
		return v
	}
	return TextValue(text)
}

// attribute is what a product with one attribute of this value contains.
func attribute(name string, value Value) map[string]Value { return map[string]Value{name: value} }

// UnmarshalJSON fails with ErrValue.
func (v *Value) UnmarshalJSON(raw []byte) error {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return ErrValue
	case raw[0] == '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil || len([]rune(text)) > 500 || strings.ContainsFunc(text, unicode.IsControl) {
			return ErrValue
		}
		*v = TextValue(text)
		return nil
	case string(raw) == "true", string(raw) == "false":
	default:
		var number float64 // what does not fit would not be found again either
		if err := json.Unmarshal(raw, &number); err != nil || len(raw) > 32 {
			return ErrValue
		}
	}
	v.text = string(raw)
	return nil
}

// MarshalJSON writes it as it was read.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.text == "" {
		return []byte(`""`), nil
	}
	return []byte(v.text), nil
}

// JSONSchema is one of three types.
func (Value) JSONSchema() map[string]any {
	return map[string]any{"type": []string{"string", "number", "boolean"}}
}
