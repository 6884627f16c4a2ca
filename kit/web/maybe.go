package web

import (
	"encoding/json"
	"reflect"
)

// Maybe is a field of a partial change: left alone where the body does not name it, emptied by null, else set. Validate
// its value in the noun's own rules; validate tags do not see it.
type Maybe[T any] struct {
	Named bool
	Value *T // nil for null
}

// UnmarshalJSON is told of everything but null.
func (m *Maybe[T]) UnmarshalJSON(text []byte) error {
	m.Named, m.Value = true, new(T)
	return json.Unmarshal(text, m.Value)
}

// null is told of null.
func (m *Maybe[T]) null() { m.Named, m.Value = true, nil }

// JSONSchema is that of the value, or null.
func (Maybe[T]) JSONSchema() map[string]any { return schemas{}.of(reflect.TypeFor[*T]()) }

// inner is what is said of in messages.
func (*Maybe[T]) inner() reflect.Type { return reflect.TypeFor[T]() }

// Set gives a field the value that is wanted, if one is.
func Set[T any](field, wanted *T) {
	if wanted != nil {
		*field = *wanted
	}
}
