package web

import (
	"encoding/json"
	"reflect"
)

// Optional is a field of a partial change: left alone where the body does not name it, emptied by null, else set. Validate
// its value in the noun's own rules; validate tags do not see it.
type Optional[T any] struct {
	Set   bool
	Value *T // nil for null
}

// UnmarshalJSON is told of everything but null.
func (m *Optional[T]) UnmarshalJSON(text []byte) error {
	m.Set, m.Value = true, new(T)
	return json.Unmarshal(text, m.Value)
}

// null is told of null.
func (m *Optional[T]) null() { m.Set, m.Value = true, nil }

// JSONSchema is that of the value, or null.
func (Optional[T]) JSONSchema() map[string]any { return newSchemas().of(reflect.TypeFor[*T]()) }

// inner is what is said of in messages.
func (*Optional[T]) inner() reflect.Type { return reflect.TypeFor[T]() }

// Apply gives a field the value that is wanted, if one is.
func Apply[T any](field, wanted *T) {
	if wanted != nil {
		*field = *wanted
	}
}
