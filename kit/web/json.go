package web

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"unicode/utf8"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// maxDepth is how deeply lists and objects may be nested. No input needs ten levels.
const maxDepth = 32

// tooDeep reports whether a JSON text is nested more deeply than maxDepth, in one pass and before it is decoded.
func tooDeep(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case quoted && ch == '\\':
			i++
		case ch == '"':
			quoted = !quoted
		case quoted:
		case ch == '[' || ch == '{':
			if depth++; depth > maxDepth {
				return true
			}
		case ch == ']' || ch == '}':
			depth--
		}
	}
	return false
}

// Decode reads one JSON object into a struct, strictly: names match by case and are given once, unknown names are
// refused, and no data may follow. Nothing is replaced: text that is not UTF-8, half a surrogate pair, NUL and a number
// that Postgres cannot store are refused, in free JSON too. Invalid fields go into bad by path, and the paths of fields
// that are given into present. It fails with ErrMalformed if the text is not one JSON value in UTF-8 or is nested too
// deeply.
func Decode(body []byte, in reflect.Value, bad fields, present map[string]bool) error {
	if !utf8.Valid(body) {
		return fault.ErrMalformed.WithMessage("the body is not UTF-8")
	}
	if tooDeep(body) {
		return fault.ErrMalformed.WithMessage("the body is nested too deeply")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		if errors.Is(err, io.EOF) {
			return fault.ErrMalformed.WithMessage("the body is empty; a JSON object is expected")
		}
		return fault.ErrMalformed.WithMessage("the body is not JSON: " + err.Error())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fault.ErrMalformed.WithMessage("trailing data after JSON")
	}
	if len(raw) == 0 || raw[0] != '{' {
		return fault.ErrInvalid.With("body", "must be a JSON object")
	}
	decodeValue(raw, in, "", bad, present)
	return nil
}

// Read decodes one JSON object into a struct as strictly as a route decodes its body, and validates it: for bodies of
// many objects. It fails with ErrMalformed or ErrInvalid.
func Read(text []byte, into any) error {
	v, bad, present := reflect.ValueOf(into).Elem(), fields{}, map[string]bool{}
	if err := Decode(text, v, bad, present); err != nil {
		return err
	}
	return validated(v, bad, present)
}

// clearable is an Optional.
type clearable interface {
	setNull()
	setNew() reflect.Value // of its value, to be decoded into
}

func decodeValue(raw json.RawMessage, v reflect.Value, path string, bad fields, present map[string]bool) {
	optional, isOptional := v.Addr().Interface().(clearable)
	if string(raw) == "null" {
		if isOptional {
			optional.setNull()
		}
		return
	}
	if path != "" {
		present[path] = true
	}
	if isOptional {
		decodeValue(raw, optional.setNew(), path, bad, present)
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		decodeValue(raw, v.Elem(), path, bad, present)
		return
	}
	_, custom := v.Addr().Interface().(json.Unmarshaler)
	_, text := v.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case custom || text:
		decodeLeaf(raw, v, path, bad)
	case v.Kind() == reflect.Struct:
		decodeObject(raw, v, path, bad, present)
	case v.Kind() == reflect.Map:
		decodeMap(raw, v, path, bad, present)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		decodeArray(raw, v, path, bad, present)
	case v.CanInt():
		decodeInt(raw, v, path, bad)
	default:
		decodeLeaf(raw, v, path, bad)
	}
}

// decodeLeaf decodes a value that has no fields that this package knows.
func decodeLeaf(raw json.RawMessage, v reflect.Value, path string, bad fields) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // the numbers of an any stay exact
	if err := dec.Decode(v.Addr().Interface()); err != nil {
		bad.add(path, typeMessage(err, v.Type()))
		return
	}
	checkFree(raw, path, bad)
}

// decodeInt accepts every number that is whole: 2, 2.0 and 2e0.
func decodeInt(raw json.RawMessage, v reflect.Value, path string, bad fields) {
	number, ok := shop.ParseDecimal(string(raw))
	n, whole := number.Int()
	if !ok || !whole || v.OverflowInt(n) {
		bad.add(path, "must be a whole number")
		return
	}
	v.SetInt(n)
}

// members are the names and values of an object, in order. Names that are given twice or cannot be stored go into bad.
func members(raw json.RawMessage, path string, bad fields) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		dec, seen := json.NewDecoder(bytes.NewReader(raw)), map[string]bool{}
		_, _ = dec.Token() // raw is valid JSON: a name, then a value
		for dec.More() {
			start := dec.InputOffset()
			key, _ := dec.Token()
			name, _ := key.(string)
			message := textProblem(raw[start:dec.InputOffset()])
			if seen[name] {
				message = "is given twice"
			}
			var value json.RawMessage
			if dec.Decode(&value) != nil {
				return
			}
			if message != "" {
				bad.add(join(path, name), message)
			} else if !yield(name, value) {
				return
			}
			seen[name] = true
		}
	}
}

// join is the path of a member: shipping_address.street, attributes.color.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func decodeObject(raw json.RawMessage, v reflect.Value, path string, bad fields, present map[string]bool) {
	if raw[0] != '{' {
		bad.add(path, "must be an object")
		return
	}
	known := fieldIndexes(v.Type())
	for name, value := range members(raw, path, bad) {
		index, ok := known[name]
		if !ok {
			bad.add(join(path, name), "is not a known field")
			continue
		}
		decodeValue(value, v.FieldByIndex(index), join(path, name), bad, present)
	}
}

// decodeMap refuses null values: they are neither values nor left out.
func decodeMap(raw json.RawMessage, v reflect.Value, path string, bad fields, present map[string]bool) {
	if raw[0] != '{' {
		bad.add(path, "must be an object")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for name, value := range members(raw, path, bad) {
		key, element := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if err := setText(key, name); err != nil {
			bad.add(join(path, name), err.Error())
		}
		decodeElement(value, element, join(path, name), bad, present)
		v.SetMapIndex(key, element)
	}
}

func decodeArray(raw json.RawMessage, v reflect.Value, path string, bad fields, present map[string]bool) {
	if raw[0] != '[' {
		bad.add(path, "must be a list")
		return
	}
	values := elements(raw)
	v.Set(reflect.MakeSlice(v.Type(), len(values), len(values)))
	for i, value := range values {
		decodeElement(value, v.Index(i), fmt.Sprintf("%s[%d]", path, i), bad, present)
	}
}

func elements(raw json.RawMessage) (values []json.RawMessage) {
	_ = json.Unmarshal(raw, &values) // raw is a valid list
	return values
}

// decodeElement decodes a value in a list or map, where null would leave a gap.
func decodeElement(raw json.RawMessage, v reflect.Value, path string, bad fields, present map[string]bool) {
	if string(raw) == "null" {
		bad.add(path, "must not be null")
		return
	}
	decodeValue(raw, v, path, bad, present)
}

// fieldIndexes are the indexes of a struct's fields by their JSON names.
func fieldIndexes(t reflect.Type) map[string][]int {
	indexes := map[string][]int{}
	for name, f := range jsonFields(t) {
		indexes[name] = f.Index
	}
	return indexes
}
