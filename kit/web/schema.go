package web

import (
	"encoding"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/shop"
)

// object is a piece of a document, ready for JSON.
type object = map[string]any

// schemas are the named JSON Schemas (2020-12) of a document.
type schemas struct {
	named map[string]any
	types map[string]reflect.Type // by name
	// input says that bodies are described. What a request may leave out its validate tags say, what a response leaves
	// out its json tags. A type of both is described as an input, which holds for its responses too.
	input bool
}

func newSchemas() *schemas {
	return &schemas{named: map[string]any{}, types: map[string]reflect.Type{}}
}

// known are types whose JSON is not what their Go structure says.
var known = map[reflect.Type]object{
	reflect.TypeFor[time.Time]():       {"type": "string", "format": "date-time"},
	reflect.TypeFor[shop.Money]():      {"type": "number", "format": "double"},
	reflect.TypeFor[Cursor]():          {"type": "string"},
	reflect.TypeFor[IfMatch]():         {"type": "string"},
	reflect.TypeFor[json.RawMessage](): {},
	reflect.TypeFor[[]byte]():          {"type": "string", "format": "binary"},
}

// describer is a type that describes its own JSON, because its Go structure does not.
type describer interface{ JSONSchema() map[string]any }

// of describes a type. It panics on a type that is neither described by its structure nor by itself.
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
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int64:
		return object{"type": "integer", "format": "int64"}
	case reflect.Int, reflect.Int32, reflect.Uint8:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number", "format": "double"}
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Interface:
		return object{}
	case reflect.Struct:
		if !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return s.name(t, func() object { return s.structure(t) })
		}
	}
	panic(fmt.Sprintf("web: %s cannot be documented: it needs a method JSONSchema", t))
}

// isUUID says whether a type is a UUID or embeds one, as all ids do.
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
		s.named[name] = describe()
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func (s *schemas) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	for name, f := range jsonFields(t) {
		rules, flags := f.Tag.Get("validate"), f.Tag.Get("json")
		pointer, omitted := f.Type.Kind() == reflect.Pointer, strings.Contains(flags, ",omit")
		must, mayBeNull := !omitted, pointer && !omitted
		if s.input {
			must = isRequired(f)
			mayBeNull = !must // null is the same as leaving it out
		}
		typ := f.Type
		if pointer {
			typ = typ.Elem()
		}
		property := s.of(typ)
		refine(property, rules, !pointer)
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

// isRequired says whether a body must have a member: where its rules say so, or those of a member of its own.
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

var bounds = map[any][2]string{
	"string": {"minLength", "maxLength"}, "array": {"minItems", "maxItems"}, "object": {"minProperties", "maxProperties"},
	"integer": {"minimum", "maximum"}, "number": {"minimum", "maximum"},
}

// refine writes validate tags into a schema. orEmpty says that an optional text is not checked while it is empty.
func refine(schema object, rules string, orEmpty bool) {
	rules, elements, _ := strings.Cut(rules, "dive")
	if _, values, ok := strings.Cut(elements, "endkeys"); ok {
		elements = values
	}
	for _, within := range []string{"items", "additionalProperties"} {
		if element, ok := schema[within].(object); ok && element["$ref"] == nil {
			refine(element, strings.TrimPrefix(elements, ","), true)
		}
	}
	orEmpty = orEmpty && strings.HasPrefix(rules, "omitempty") && schema["type"] == "string"
	for rule := range strings.SplitSeq(rules, ",") {
		tag, arg, _ := strings.Cut(rule, "=")
		if n, err := strconv.Atoi(arg); err == nil {
			names := bounds[schema["type"]]
			if tag == "max" || tag == "len" {
				schema[names[1]] = n
			}
			if (tag == "min" || tag == "len") && !orEmpty {
				schema[names[0]] = n
			}
			continue
		}
		switch {
		case tag == "oneof" || tag == "eq":
			values := []any{}
			for _, value := range strings.Fields(arg) {
				values = append(values, value)
			}
			if orEmpty {
				values = append(values, "")
			}
			schema["enum"] = values
			delete(schema, "minLength")
		case tag == "email" && !orEmpty:
			schema["format"] = "email"
		case tag == "datetime" && arg == time.DateOnly && !orEmpty:
			schema["format"] = "date"
		case tag == "price":
			schema["minimum"] = 0
		case tag == "required" && schema["type"] == "string" && schema["format"] == nil:
			schema["minLength"] = 1
		}
	}
}

// example is a body made of the example tags of a type, or nil without any.
func example(t reflect.Type) any {
	switch t.Kind() {
	case reflect.Pointer:
		return example(t.Elem())
	case reflect.Slice:
		if element := example(t.Elem()); element != nil {
			return []any{element}
		}
	case reflect.Struct:
		all := object{}
		for name, f := range jsonFields(t) {
			if value, ok := f.Tag.Lookup("example"); ok {
				all[name] = exampleValue(f.Type, value)
			} else if value := example(f.Type); value != nil {
				all[name] = value
			}
		}
		if len(all) > 0 {
			return all
		}
	}
	return nil
}

// exampleValue is an example tag as a value of a type: text, or any JSON.
func exampleValue(t reflect.Type, text string) any {
	if !slices.Contains([]reflect.Kind{reflect.String, reflect.Array}, t.Kind()) && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return text
}
