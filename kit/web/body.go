package web

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"mime/multipart"
	"reflect"
	"strings"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/fault"
)

// decodeBody reads a JSON body, or a form if the route takes one. Invalid fields go into bad, and the paths of fields
// that the body names into present.
func decodeBody(c *fiber.Ctx, in reflect.Value, op *operation, bad fields, present map[string]bool) error {
	mediaType, _, _ := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	body, err := readBody(c, op.bodyLimit)
	switch {
	case err != nil:
		return err
	case mediaType == fiber.MIMEApplicationForm && op.form:
		decodeForm(c.Request().PostArgs().All(), in, bad, present)
		return nil
	case mediaType == fiber.MIMEMultipartForm && op.form:
		form, err := c.MultipartForm()
		if err != nil {
			return fault.ErrMalformed.WithMessage("the body is not a form")
		}
		decodeForm(parts(form), in, bad, present)
		return nil
	case mediaType != fiber.MIMEApplicationJSON && len(body) > 0:
		return errUnsupported
	}
	return Decode(body, in, bad, present)
}

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
// refused, and no data may follow. Invalid fields go into bad by path, and the paths of fields that are given into
// present. It fails with ErrMalformed if the text is not one JSON value or is nested too deeply.
func Decode(body []byte, in reflect.Value, bad fields, present map[string]bool) error {
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
		return fault.ErrInvalid.WithMessage("the body must be a JSON object")
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

func decodeValue(raw json.RawMessage, v reflect.Value, path string, bad fields, present map[string]bool) {
	if string(raw) == "null" {
		if optional, ok := v.Addr().Interface().(interface{ setNull() }); ok {
			optional.setNull()
		}
		return
	}
	if path != "" {
		present[path] = true
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		decodeValue(raw, v.Elem(), path, bad, present)
		return
	}
	_, custom := v.Addr().Interface().(json.Unmarshaler)
	_, text := v.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case !custom && !text && v.Kind() == reflect.Struct:
		decodeObject(raw, v, path, bad, present)
	case !custom && !text && v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		decodeArray(raw, v, path, bad, present)
	default:
		if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
			bad.add(path, typeMessage(err, v.Type()))
			return
		}
		if v.Kind() == reflect.String && strings.ContainsRune(v.String(), 0) {
			bad.add(path, "must not contain a NUL character")
		}
		refuseNulls(raw, v.Type(), path, bad)
	}
}

// refuseNulls adds the null values of a map to bad: they are neither values nor left out.
func refuseNulls(raw json.RawMessage, t reflect.Type, path string, bad fields) {
	if t.Kind() != reflect.Map {
		return
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return
	}
	for name, member := range members {
		at := path + "[" + name + "]"
		if string(member) == "null" {
			bad.add(at, "must not be null")
		}
		refuseNulls(member, t.Elem(), at, bad)
	}
}

func decodeObject(raw json.RawMessage, v reflect.Value, path string, bad fields, present map[string]bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		bad.add(path, "must be an object")
		return
	}
	known, seen := fieldIndexes(v.Type()), map[string]bool{}
	for dec.More() {
		key, _ := dec.Token() // raw is valid JSON: a name, then a value
		name, _ := key.(string)
		var member json.RawMessage
		if err := dec.Decode(&member); err != nil {
			bad.add(path, "must be an object")
			return
		}
		at := name
		if path != "" {
			at = path + "." + name
		}
		index, ok := known[name]
		switch {
		case !ok:
			bad.add(at, "is not a known field")
		case seen[name]:
			bad.add(at, "is given twice")
		default:
			decodeValue(member, v.FieldByIndex(index), at, bad, present)
		}
		seen[name] = true
	}
}

func decodeArray(raw json.RawMessage, v reflect.Value, path string, bad fields, present map[string]bool) {
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		bad.add(path, "must be a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(elements), len(elements)))
	for i, element := range elements {
		decodeValue(element, v.Index(i), fmt.Sprintf("%s[%d]", path, i), bad, present)
	}
}

// fieldIndexes are the indexes of a struct's fields by their JSON names.
func fieldIndexes(t reflect.Type) map[string][]int {
	indexes := map[string][]int{}
	for name, f := range jsonFields(t) {
		indexes[name] = f.Index
	}
	return indexes
}

// parts are the fields of a multipart form. A file is a field that no input has.
func parts(form *multipart.Form) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for name, values := range form.Value {
			for _, value := range values {
				if !yield([]byte(name), []byte(value)) {
					return
				}
			}
		}
		for name := range form.File {
			if !yield([]byte(name+" (a file)"), nil) {
				return
			}
		}
	}
}

func decodeForm(form iter.Seq2[[]byte, []byte], in reflect.Value, bad fields, present map[string]bool) {
	known := fieldIndexes(in.Type())
	for key, value := range form {
		name := string(key)
		index, ok := known[name]
		if !ok {
			bad.add(name, "is not a known field")
			continue
		}
		present[name] = true
		if err := setText(in.FieldByIndex(index), string(value)); err != nil {
			bad.add(name, err.Error())
		}
	}
}
