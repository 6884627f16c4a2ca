package web

import (
	"encoding/json"
	"reflect"
)

// Optional is a field of a partial update: unchanged if the body does not name it, cleared by null, else set. The rules
// of its domain package validate the value; validate tags do not see it.
type Optional[T any] struct {
	Set   bool
	Value *T // nil for null
}

// UnmarshalJSON reads any value but null, which setNull is for.
func (o *Optional[T]) UnmarshalJSON(text []byte) error {
	o.Set, o.Value = true, new(T)
	return json.Unmarshal(text, o.Value)
}

func (o *Optional[T]) setNull() { o.Set, o.Value = true, nil }

// JSONSchema is the schema of the value, or null.
func (Optional[T]) JSONSchema() map[string]any { return newSchemas().of(reflect.TypeFor[*T]()) }

// valueType is the type that messages name.
func (*Optional[T]) valueType() reflect.Type { return reflect.TypeFor[T]() }

// Apply sets a field to a value, unless the value is nil.
func Apply[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}
