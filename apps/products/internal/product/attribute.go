package product

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
)

// AttributeValue is a string, a number or a boolean. The zero AttributeValue is the empty string.
type AttributeValue struct{ json string } // as JSON

// ErrAttributeValue means that a value has another type or is too long.
var ErrAttributeValue = errors.New("must be a string of at most 500 characters on one line, a number, or true or false")

// StringValue returns text as a value.
func StringValue(text string) AttributeValue {
	encoded, _ := json.Marshal(text) // a text can always be encoded
	return AttributeValue{string(encoded)}
}

// parseValue returns the number or boolean that text spells, otherwise text as a string.
func parseValue(text string) AttributeValue {
	var v AttributeValue
	if json.Valid([]byte(text)) && v.UnmarshalJSON([]byte(text)) == nil {
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
		var number float64 // a number that does not fit could not be searched either
		if err := json.Unmarshal(raw, &number); err != nil || len(raw) > 32 {
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

// JSONSchema is one of three types.
func (AttributeValue) JSONSchema() map[string]any {
	return map[string]any{"description": "A text of at most 500 characters, a number, or true or false.", "oneOf": []any{
		map[string]any{"type": "string", "maxLength": 500}, map[string]any{"type": "number"}, map[string]any{"type": "boolean"},
	}}
}
