package product

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
)

// AttributeValue is one attribute's: a text, a number or true or false. The zero Value is the empty text.
type AttributeValue struct{ json string } // as JSON

// ErrAttributeValue is what every refusal of a value is.
var ErrAttributeValue = errors.New("must be a text of at most 500 characters on one line, a number, or true or false")

// StringValue is a text.
func StringValue(text string) AttributeValue {
	encoded, _ := json.Marshal(text) // a text can always be encoded
	return AttributeValue{string(encoded)}
}

// parseValue is the number, or the true or false, that a text stands for, else the text.
func parseValue(text string) AttributeValue {
	var v AttributeValue
	if json.Valid([]byte(text)) && v.UnmarshalJSON([]byte(text)) == nil {
		return v
	}
	return StringValue(text)
}

// attribute is what a product with one attribute of this value contains.
func attribute(name string, value AttributeValue) map[string]AttributeValue {
	return map[string]AttributeValue{name: value}
}

// UnmarshalJSON fails with ErrValue.
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
		var number float64 // what does not fit would not be found again either
		if err := json.Unmarshal(raw, &number); err != nil || len(raw) > 32 {
			return ErrAttributeValue
		}
	}
	v.json = string(raw)
	return nil
}

// MarshalJSON writes it as it was read.
func (v AttributeValue) MarshalJSON() ([]byte, error) {
	if v.json == "" {
		return []byte(`""`), nil
	}
	return []byte(v.json), nil
}

// JSONSchema is one of three types.
func (AttributeValue) JSONSchema() map[string]any {
	return map[string]any{"type": []string{"string", "number", "boolean"}}
}
