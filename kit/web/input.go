package web

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

var errUnsupported = fault.New(fault.Unsupported, "unsupported_media_type", "send the body as application/json")

// inputPlan is where each field of an input comes from, found once when its route is added.
type inputPlan struct {
	typ    reflect.Type
	params []param
	body   bool     // some field comes from the body, as JSON
	raw    []int    // the field that is the Body, if there is one
	takes  []string // the media types of raw
	key    []int    // the field that is an idempotency.Key, if there is one
	route  string   // POST /orders
}

type param struct {
	index      []int
	in, name   string // in is path, query or header
	fallback   string // tag default
	fieldTyp   reflect.Type
	validation string
}

func planInput(route string, t reflect.Type) *inputPlan {
	plan := &inputPlan{typ: t, route: route}
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("web: an input is a struct, not %s", t))
	}
	for _, f := range reflect.VisibleFields(t) {
		if f.Type == keyType {
			plan.key = f.Index
			continue
		}
		if f.Anonymous || !f.IsExported() {
			continue
		}
		if _, ok := f.Tag.Lookup("json"); ok {
			plan.body = true
			continue
		}
		if types, ok := f.Tag.Lookup("body"); ok {
			plan.raw, plan.takes = f.Index, strings.Split(types, ",")
			continue
		}
		p := param{index: f.Index, fallback: f.Tag.Get("default"), fieldTyp: f.Type, validation: f.Tag.Get("validate")}
		for _, in := range []string{"path", "query", "header"} {
			if name := f.Tag.Get(in); name != "" {
				p.in, p.name = in, name
			}
		}
		if p.in == "" {
			panic(fmt.Sprintf("web: %s.%s has none of the tags path, query, header, json", t, f.Name))
		}
		if strings.HasSuffix(p.name, ".*") != (f.Type == reflect.TypeFor[map[string]string]()) {
			panic(fmt.Sprintf("web: %s.%s: what takes many, like attr.*, is a map[string]string", t, f.Name))
		}
		plan.params = append(plan.params, p)
	}
	if plan.body && plan.raw != nil {
		panic(fmt.Sprintf("web: %s has a JSON body and another", t))
	}
	return plan
}

// decode fills an input from a request and validates it. It fails with ErrMalformed where the body is not JSON, else
// with ErrInvalid naming every bad field.
func (plan *inputPlan) decode(c *fiber.Ctx, who shop.Caller, in reflect.Value, op *operation) error {
	bad := fields{}
	for _, p := range plan.params {
		if prefix, many := strings.CutSuffix(p.name, "*"); many {
			in.FieldByIndex(p.index).Set(reflect.ValueOf(queryWith(c, prefix, bad)))
			continue
		}
		raw := p.value(c)
		if raw == "" {
			continue
		}
		if p.in == "query" && len(c.Context().QueryArgs().PeekMulti(p.name)) > 1 {
			bad.add(p.name, "must be there once")
			continue
		}
		err := setText(in.FieldByIndex(p.index), raw)
		switch {
		case err != nil && p.in == "path":
			return errNoRoute // what cannot be an id is the id of nothing
		case err != nil:
			bad.add(p.name, err.Error())
		}
	}
	present := map[string]bool{}
	if plan.body && (c.Request().Header.ContentLength() != 0 || !op.optionalBody) {
		if err := decodeBody(c, in, op, bad, present); err != nil {
			return err
		}
	}
	if plan.raw != nil {
		body, err := plan.takeBody(c, op.bodyLimit)
		if err != nil {
			return err
		}
		in.FieldByIndex(plan.raw).Set(reflect.ValueOf(body))
	}
	if plan.key != nil {
		plan.readKey(c, who, in, bad)
	}
	return validated(in, bad, present)
}

// queryWith is the query's values whose names begin with prefix, by the rest of the name; of one that is there twice, the
// last. It is nil where there are none.
func queryWith(c *fiber.Ctx, prefix string, bad fields) map[string]string {
	var found map[string]string
	for key, value := range c.Context().QueryArgs().All() {
		name, ok := strings.CutPrefix(string(key), prefix)
		if !ok {
			continue
		}
		var text string
		if err := setText(reflect.ValueOf(&text).Elem(), string(value)); err != nil || !utf8.ValidString(name) || name == "" {
			bad.add(prefix+name, "must be UTF-8 text without NUL characters")
			continue
		}
		if found == nil {
			found = map[string]string{}
		}
		found[name] = text
	}
	return found
}

func (p param) value(c *fiber.Ctx) (raw string) {
	switch p.in {
	case "path":
		raw = c.Params(p.name)
	case "query":
		raw = c.Query(p.name)
	case "header":
		raw = c.Get(p.name)
	}
	if raw == "" {
		return p.fallback
	}
	return raw
}

func decodeBody(c *fiber.Ctx, in reflect.Value, op *operation, bad fields, present map[string]bool) error {
	mediaType, _, _ := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	body, err := wholeBody(c, op.bodyLimit)
	switch {
	case err != nil:
		return err
	case mediaType == fiber.MIMEApplicationForm && op.form:
		decodeForm(c, in, bad, present)
		return nil
	case mediaType != fiber.MIMEApplicationJSON && len(body) > 0:
		return errUnsupported
	}
	return Decode(body, in, bad, present)
}

// deepest is how many lists and objects may stand inside one another. Nothing the services take needs ten.
const deepest = 32

// tooDeep says whether a JSON text goes deeper than that, in one look at it and before anything is made of it.
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
			if depth++; depth > deepest {
				return true
			}
		case ch == ']' || ch == '}':
			depth--
		}
	}
	return false
}

// Decode reads one JSON object into a struct, strictly: names match by case and come once, unknown ones are refused, nothing
// may follow. What is wrong goes into bad by the path of the field; present learns which paths were there. It fails with
// ErrMalformed if the text is not one JSON value, or goes too deep.
func Decode(body []byte, in reflect.Value, bad fields, present map[string]bool) error {
	if tooDeep(body) {
		return fault.ErrMalformed.Saying("the body goes too deep: lists and objects inside one another")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		if errors.Is(err, io.EOF) {
			return fault.ErrMalformed.Saying("the body is empty; a JSON object is expected")
		}
		return fault.ErrMalformed.Saying("the body is not JSON: " + err.Error())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fault.ErrMalformed.Saying("something follows the JSON in the body")
	}
	if len(raw) == 0 || raw[0] != '{' {
		return fault.ErrInvalid.Saying("the body must be a JSON object")
	}
	decodeValue(raw, in, "", bad, present)
	return nil
}

func decodeValue(raw json.RawMessage, v reflect.Value, path string, bad fields, present map[string]bool) {
	if string(raw) == "null" {
		if maybe, ok := v.Addr().Interface().(interface{ null() }); ok {
			maybe.null()
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
	_, own := v.Addr().Interface().(json.Unmarshaler)
	_, text := v.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case !own && !text && v.Kind() == reflect.Struct:
		decodeObject(raw, v, path, bad, present)
	case !own && !text && v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		decodeArray(raw, v, path, bad, present)
	default:
		if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
			bad.add(path, typeMessage(err, v.Type()))
			return
		}
		if v.Kind() == reflect.String && strings.ContainsRune(v.String(), 0) {
			bad.add(path, "must not contain a NUL character")
		}
	}
}

func decodeObject(raw json.RawMessage, v reflect.Value, path string, bad fields, present map[string]bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		bad.add(path, "must be an object")
		return
	}
	known, seen := bodyFields(v.Type()), map[string]bool{}
	for dec.More() {
		key, _ := dec.Token() // raw is JSON: this is a name, and a value follows
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
			bad.add(at, "is there twice")
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

// bodyFields is where the JSON members of a struct go.
func bodyFields(t reflect.Type) map[string][]int {
	known := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && !f.Anonymous && name != "" && name != "-" {
			known[name] = f.Index
		}
	}
	return known
}

func decodeForm(c *fiber.Ctx, in reflect.Value, bad fields, present map[string]bool) {
	known := bodyFields(in.Type())
	for key, value := range c.Request().PostArgs().All() {
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

// setText reads a path, query, header or form value into a field.
func setText(v reflect.Value, raw string) error {
	if !utf8.ValidString(raw) || strings.ContainsRune(raw, 0) {
		return errors.New("must be UTF-8 text without NUL characters")
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := text.UnmarshalText([]byte(raw)); err != nil {
			return errors.New(typeMessage(err, v.Type()))
		}
		return nil
	}
	if own, ok := v.Addr().Interface().(json.Unmarshaler); ok {
		return own.UnmarshalJSON([]byte(raw))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(raw)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil {
			return errors.New("must be a whole number")
		}
		v.SetInt(n)
	case reflect.Bool:
		b, err := strconv.ParseBool(raw)
		if err != nil {
			return errors.New("must be true or false")
		}
		v.SetBool(b)
	default:
		return fmt.Errorf("cannot be read from text into %s", v.Type())
	}
	return nil
}
