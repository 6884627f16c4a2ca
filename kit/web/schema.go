package web

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"

	"sidecart/kit/shop"
)

// schemas are the named JSON Schemas (2020-12) of a document.
type schemas map[string]any

// known are types whose JSON is not what their Go structure says.
var known = map[reflect.Type]map[string]any{
	reflect.TypeFor[time.Time]():       {"type": "string", "format": "date-time"},
	reflect.TypeFor[shop.Money]():      {"type": "number", "examples": []any{json.Number("299.99")}},
	reflect.TypeFor[Cursor]():          {"type": "string"},
	reflect.TypeFor[IfMatch]():         {"type": "string"},
	reflect.TypeFor[json.RawMessage](): {},
}

// describer is a type that says itself what its JSON is like, because its Go structure does not.
type describer interface{ JSONSchema() map[string]any }

func (s schemas) of(t reflect.Type) map[string]any {
	if schema, ok := known[t]; ok {
		return schema
	}
	if own, ok := reflect.Zero(t).Interface().(describer); ok && t.Kind() != reflect.Pointer {
		return own.JSONSchema()
	}
	if t.Kind() == reflect.Pointer {
		inner := s.of(t.Elem())
		if typ, ok := inner["type"].(string); ok {
			nullable := maps.Clone(inner)
			nullable["type"] = []string{typ, "null"}
			return nullable
		}
		return map[string]any{"anyOf": []any{inner, map[string]any{"type": "null"}}}
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) && t.Kind() != reflect.String {
		return map[string]any{"type": "string", "format": "uuid"}
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint8:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.object(t)
	default:
		return map[string]any{}
	}
}

func (s schemas) object(t reflect.Type) map[string]any {
	name := schemaName(t)
	ref := map[string]any{"$ref": "#/components/schemas/" + name}
	if _, done := s[name]; done && name != "" {
		return ref
	}
	properties := map[string]any{}
	schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if name != "" {
		s[name] = schema
	}
	var required []string
	for _, f := range reflect.VisibleFields(t) {
		field, flags, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || field == "" || field == "-" {
			continue
		}
		rules := f.Tag.Get("validate")
		property := maps.Clone(s.of(f.Type))
		refine(property, rules)
		properties[field] = property
		if rules == "" && !strings.Contains(flags, "omit") || strings.HasPrefix(rules, "required") {
			required = append(required, field)
		}
	}
	if len(required) > 0 {
		schema["required"] = required
	}
	if name == "" {
		return schema
	}
	return ref
}

// schemaName makes Page[sidecart/apps/orders/internal/order.Order] into OrderPage.
func schemaName(t reflect.Type) string {
	name := t.Name()
	outer, inner, generic := strings.Cut(name, "[")
	if !generic {
		if name == "" {
			return ""
		}
		return strings.ToUpper(name[:1]) + name[1:]
	}
	inner = strings.TrimSuffix(inner, "]")
	return inner[strings.LastIndexAny(inner, "./")+1:] + outer
}

// refine writes validate tags into a schema, so that the document says what the service checks.
func refine(schema map[string]any, rules string) {
	rules, elements, _ := strings.Cut(rules, "dive")
	if items, ok := schema["items"].(map[string]any); ok && elements != "" {
		refine(items, strings.TrimPrefix(elements, ","))
	}
	limits := map[any][2]string{"string": {"minLength", "maxLength"}, "array": {"minItems", "maxItems"}, "object": {"minProperties", "maxProperties"}}
	typ := schema["type"]
	if nullable, ok := typ.([]string); ok {
		typ = nullable[0]
	}
	names, ok := limits[typ]
	if !ok {
		names = [2]string{"minimum", "maximum"}
	}
	for rule := range strings.SplitSeq(rules, ",") {
		tag, arg, _ := strings.Cut(rule, "=")
		n, err := strconv.Atoi(arg)
		switch {
		case tag == "min" && err == nil:
			schema[names[0]] = n
		case tag == "max" && err == nil:
			schema[names[1]] = n
		case tag == "len" && err == nil:
			schema[names[0]], schema[names[1]] = n, n
		case tag == "oneof":
			schema["enum"] = strings.Fields(arg)
		case tag == "email":
			schema["format"] = "email"
		case tag == "price":
			schema["minimum"] = 0
		case tag == "required" && typ == "string" && schema["minLength"] == nil && schema["format"] == nil:
			schema["minLength"] = 1
		}
	}
}
