package web

import (
	"encoding"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/shop"
)

// object is a piece of a document, ready for JSON.
type object = map[string]any

// schemas are the named JSON Schemas (2020-12) of a document.
type schemas struct {
	byName map[string]any
	types  map[string]reflect.Type // by name
	// input is set while request bodies are described: validate tags define what a request may omit, json tags what a
	// response omits. A type of both is described as a request, which is true of its responses too.
	input bool
}

func newSchemas() *schemas {
	return &schemas{byName: map[string]any{}, types: map[string]reflect.Type{}}
}

// known are types whose JSON does not follow their Go structure.
var known = map[reflect.Type]object{
	reflect.TypeFor[time.Time]():       {"type": "string", "format": "date-time"},
	reflect.TypeFor[shop.Money]():      {"type": "number", "format": "double"},
	reflect.TypeFor[Cursor]():          {"type": "string"},
	reflect.TypeFor[IfMatch]():         {"type": "string"},
	reflect.TypeFor[json.RawMessage](): {},
	reflect.TypeFor[[]byte]():          {"type": "string", "format": "binary"},
}

// kinds are the schemas of simple kinds.
var kinds = map[reflect.Kind]object{
	reflect.String: {"type": "string"}, reflect.Bool: {"type": "boolean"}, reflect.Interface: {},
	reflect.Int: {"type": "integer"}, reflect.Int32: {"type": "integer"}, reflect.Uint8: {"type": "integer"},
	reflect.Int64: {"type": "integer", "format": "int64"}, reflect.Float64: {"type": "number", "format": "double"},
}

// describer is a type that describes its own JSON, because its Go structure does not.
type describer interface{ JSONSchema() map[string]any }

// of describes a type. It panics on a type that is neither described by its structure nor by a schema of its own.
func (s *schemas) of(t reflect.Type) object {
	if schema, ok := known[t]; ok {
		return maps.Clone(schema)
	}
	if t.Kind() == reflect.Pointer {
		return nullable(s.of(t.Elem()))
	}
	if own, ok := reflect.Zero(t).Interface().(describer); ok {
		schema := own.JSONSchema()
		if schema["oneOf"] == nil {
			return schema
		}
		return s.name(t, func() object { return schema }) // generators make a type of it
	}
	if isUUID(t) {
		return object{"type": "string", "format": "uuid"}
	}
	if schema, ok := kinds[t.Kind()]; ok {
		return maps.Clone(schema)
	}
	switch t.Kind() {
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		if !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return s.name(t, func() object { return s.structure(t) })
		}
	}
	panic(fmt.Sprintf("web: %s cannot be documented: it needs a method JSONSchema", t))
}

// isUUID reports whether a type is a UUID or embeds one, as all ids do.
func isUUID(t reflect.Type) bool {
	return t == reflect.TypeFor[uuid.UUID]() ||
		t.Kind() == reflect.Struct && t.NumField() == 1 && t.Field(0).Anonymous && isUUID(t.Field(0).Type)
}

// nullable is a schema that also allows null.
func nullable(schema object) object {
	typ, plain := schema["type"].(string)
	_, already := schema["type"].([]string)
	switch {
	case already || len(schema) == 0 || schema["anyOf"] != nil:
		return schema
	case plain && schema["enum"] == nil: // oapi-codegen (2.8) makes a constant "<nil>" of null in an enum
		schema["type"] = []string{typ, "null"}
		return schema
	}
	return object{"anyOf": []any{schema, object{"type": "null"}}}
}

// name refers to the schema of a type, which is described once. It panics where another type has the name.
func (s *schemas) name(t reflect.Type, describe func() object) object {
	name := schemaName(t)
	if name == "" {
		return describe()
	}
	if other, seen := s.types[name]; seen && other != t {
		panic(fmt.Sprintf("web: the types %s and %s have the same schema name %s", other, t, name))
	} else if !seen {
		s.types[name] = t
		s.byName[name] = describe()
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func (s *schemas) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	for name, f := range jsonFields(t) {
		rules, flags := f.Tag.Get("validate"), f.Tag.Get("json")
		pointer, mayBeOmitted := f.Type.Kind() == reflect.Pointer, strings.Contains(flags, ",omit")
		must, mayBeNull := !mayBeOmitted, pointer && !mayBeOmitted
		if s.input {
			must = isRequired(f)
			mayBeNull = !must // null counts as omitted
		}
		typ := f.Type
		if pointer {
			typ = typ.Elem()
		}
		property := s.of(typ)
		constrain(property, rules, !pointer)
		if mayBeNull {
			property = nullable(property)
		}
		if value, ok := f.Tag.Lookup("example"); ok {
			property["examples"] = []any{exampleValue(f.Type, value)}
		}
		properties[name] = property
		if must {
			required = append(required, name)
		}
	}
	schema := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

// isRequired reports whether a body must have a member: its own rules or those of a member within it require it.
func isRequired(f reflect.StructField) bool {
	if strings.HasPrefix(f.Tag.Get("validate"), "required") {
		return true
	}
	if f.Type.Kind() == reflect.Struct {
		for _, member := range jsonFields(f.Type) {
			if isRequired(member) {
				return true
			}
		}
	}
	return false
}

// jsonFields are the members of a struct's JSON and where they go.
func jsonFields(t reflect.Type) iter.Seq2[string, reflect.StructField] {
	return func(yield func(string, reflect.StructField) bool) {
		for _, f := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.IsExported() && !f.Anonymous && name != "" && name != "-" && !yield(name, f) {
				return
			}
		}
	}
}

// bodyType is the type after which the schema of an input's body is named: that of an embedded struct which has all
// members of the body, else the input's own.
func bodyType(t reflect.Type) reflect.Type {
	count := func(t reflect.Type) (n int) {
		for range jsonFields(t) {
			n++
		}
		return n
	}
	for f := range t.Fields() {
		if f.Anonymous && f.Type.Kind() == reflect.Struct && count(f.Type) == count(t) {
			return bodyType(f.Type)
		}
	}
	return t
}

// schemaName makes Page[sidecart/apps/orders/internal/order.Order] into OrderPage.
func schemaName(t reflect.Type) string {
	outer, inner, generic := strings.Cut(t.Name(), "[")
	if generic {
		inner = strings.TrimSuffix(inner, "]")
		return inner[strings.LastIndexAny(inner, "./")+1:] + outer
	}
	if outer == "" {
		return ""
	}
	return strings.ToUpper(outer[:1]) + outer[1:]
}
