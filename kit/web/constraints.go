package web

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"sidecart/kit/fault"
)

var bounds = map[any][2]string{
	"string": {"minLength", "maxLength"}, "array": {"minItems", "maxItems"}, "object": {"minProperties", "maxProperties"},
	"integer": {"minimum", "maximum"}, "number": {"minimum", "maximum"},
}

// constrain adds the rules of validate tags to a schema. orEmpty means that an optional empty text is valid.
func constrain(schema object, rules string, orEmpty bool) {
	rules, elements, _ := strings.Cut(rules, "dive")
	if _, values, ok := strings.Cut(elements, "endkeys"); ok {
		elements = values
	}
	for _, within := range []string{"items", "additionalProperties"} {
		if element, ok := schema[within].(object); ok && element["$ref"] == nil {
			constrain(element, strings.TrimPrefix(elements, ","), true)
		}
	}
	orEmpty = orEmpty && strings.HasPrefix(rules, "omitempty") && schema["type"] == "string"
	for rule := range strings.SplitSeq(rules, ",") {
		tag, arg, _ := strings.Cut(rule, "=")
		if n, err := strconv.Atoi(arg); err == nil {
			limit(schema, tag, n, orEmpty)
			continue
		}
		switch {
		case tag == "oneof" || tag == "eq":
			values := strings.Fields(arg)
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

func limit(schema object, tag string, n int, orEmpty bool) {
	names := bounds[schema["type"]]
	if tag == "max" || tag == "len" {
		schema[names[1]] = n
	}
	if (tag == "min" || tag == "len") && !orEmpty {
		schema[names[0]] = n
	}
}

// validExample is the example of a body. It panics if the route would refuse it.
func validExample(t reflect.Type) any {
	value := example(t)
	if value == nil {
		return nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	members := fieldIndexes(t)
	if refusal := fault.Of(Read(text, reflect.New(t).Interface())); refusal != nil {
		for path, message := range refusal.Fields {
			if member := path[:strings.IndexAny(path+".", ".[")]; members[member] != nil { // else a parameter
				panic(fmt.Sprintf("web: the example of %s is invalid: %s %s", t, path, message))
			}
		}
	}
	return value
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
