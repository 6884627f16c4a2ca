package web

import "reflect"

// Optional is a field of a partial update: unchanged if the body does not name it, cleared by null, else set. The rules
// of its domain package validate the value; validate tags do not see it.
type Optional[T any] struct {
	Set   bool
	Value *T // nil for null
}

func (o *Optional[T]) setNull() { o.Set, o.Value = true, nil }

func (o *Optional[T]) setNew() reflect.Value {
	o.Set, o.Value = true, new(T)
	return reflect.ValueOf(o.Value).Elem()
}

// JSONSchema is the schema of the value, or null.
func (Optional[T]) JSONSchema() map[string]any { return newSchemas().of(reflect.TypeFor[*T]()) }

// Apply sets a field to a value, unless the value is nil.
func Apply[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}
