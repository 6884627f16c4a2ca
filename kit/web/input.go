package web

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

var errUnsupported = fault.New(fault.Unsupported, "unsupported_media_type", "send the body as application/json")

// inputPlan is the source of each field of an input. It is made once, when the route is added.
type inputPlan struct {
	typ    reflect.Type
	params []param
	body   bool     // some fields are members of a JSON body
	raw    []int    // the index of the Body, if any
	takes  []string // the media types of raw
	key    []int    // the index of the idempotency.Key, if any
	cursor []int    // the index of the Cursor, if any
	route  string   // "POST /orders"
}

type param struct {
	reflect.StructField
	in, param string // in is path, query or header
	fallback  string // tag default
}

func planInput(route string, t reflect.Type) *inputPlan {
	plan := &inputPlan{typ: t, route: route}
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("web: an input is a struct, not %s", t))
	}
	for _, f := range reflect.VisibleFields(t) {
		_, member := f.Tag.Lookup("json")
		types, raw := f.Tag.Lookup("body")
		switch {
		case f.Type == keyType:
			plan.key = f.Index
		case f.Anonymous || !f.IsExported():
		case member:
			plan.body = true
		case raw:
			plan.raw, plan.takes = f.Index, strings.Split(types, ",")
		default:
			plan.params = append(plan.params, planParam(t, f))
			if f.Type == reflect.TypeFor[Cursor]() {
				plan.cursor = f.Index
			}
		}
	}
	if plan.body && plan.raw != nil {
		panic(fmt.Sprintf("web: %s has a JSON body and a Body", t))
	}
	return plan
}

func planParam(t reflect.Type, f reflect.StructField) param {
	p := param{StructField: f, fallback: f.Tag.Get("default")}
	for _, in := range []string{"path", "query", "header"} {
		if name := f.Tag.Get(in); name != "" {
			p.in, p.param = in, name
		}
	}
	if p.in == "" {
		panic(fmt.Sprintf("web: %s.%s has none of the tags path, query, header, json", t, f.Name))
	}
	if strings.HasSuffix(p.param, ".*") != (f.Type == reflect.TypeFor[map[string]string]()) {
		panic(fmt.Sprintf("web: %s.%s: a parameter like attr.* is a map[string]string", t, f.Name))
	}
	return p
}

// decode fills an input from a request and validates it. It fails with ErrMalformed if the body is not JSON or the
// query is not UTF-8, else with ErrInvalid naming all invalid fields.
func (plan *inputPlan) decode(c *fiber.Ctx, caller shop.Caller, in reflect.Value, op *operation) error {
	bad, present := fields{}, map[string]bool{}
	if err := plan.checkQuery(c, op, bad); err != nil {
		return err
	}
	for _, p := range plan.params {
		if err := p.decode(c, in.FieldByIndex(p.Index), bad); err != nil {
			return err
		}
	}
	if plan.cursor != nil {
		plan.openCursor(caller, in, op, bad)
	}
	if plan.body || plan.raw == nil && !op.internal { // sidecars send bodies with jobs and events that no one reads
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
		plan.readKey(c, caller, in, bad)
	}
	return validated(in, bad, present)
}

// decode reads a parameter into a field. It fails with errNoRoute if a path parameter is invalid.
func (p param) decode(c *fiber.Ctx, field reflect.Value, bad fields) error {
	if prefix, many := strings.CutSuffix(p.param, "*"); many {
		field.Set(reflect.ValueOf(queryWith(c, prefix, bad)))
		return nil
	}
	raw := p.value(c)
	if raw == "" {
		if p.Type == reflect.TypeFor[IfMatch]() && len(c.Request().Header.PeekAll(p.param)) > 0 {
			bad.add(p.param, "must not be empty; leave it out instead")
		}
		return nil
	}
	err := setText(field, raw)
	if err != nil && p.in == "path" {
		return errNoRoute // no resource has such an id
	}
	if err != nil {
		bad.add(p.param, err.Error())
	}
	return nil
}

// queryWith is the query's values whose names begin with prefix, by the rest of the name. It is nil if there are none.
func queryWith(c *fiber.Ctx, prefix string, bad fields) map[string]string {
	var values map[string]string
	for key, value := range c.Context().QueryArgs().All() {
		name, ok := strings.CutPrefix(string(key), prefix)
		if !ok || name == "" {
			continue
		}
		if bytes.IndexByte(key, 0) >= 0 || bytes.IndexByte(value, 0) >= 0 {
			bad.add(prefix+name, "must not contain a NUL character")
			continue
		}
		if values == nil {
			values = map[string]string{}
		}
		values[name] = string(value)
	}
	return values
}

func (p param) value(c *fiber.Ctx) (raw string) {
	switch p.in {
	case "path":
		raw = c.Params(p.param)
	case "query":
		raw = c.Query(p.param)
	case "header":
		raw = HeaderText(c.Get(p.param))
	}
	return cmp.Or(raw, p.fallback)
}

// HeaderText is the value of a header as text, and as sidecars carry it: bytes that are not UTF-8, and control
// characters, become U+FFFD. The route then decides whether the value matters: a User-Agent with it is kept, an
// Idempotency-Key refused.
func HeaderText(value string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(value, string(utf8.RuneError)))
}

// checkSpelling refuses forms of ids and times that packages read and the document's formats do not have: a UUID in
// braces, as a URN or without hyphens, and offsets like +01:60.
func checkSpelling(v reflect.Value, text string) error {
	if _, ok := v.Interface().(interface{ URN() string }); ok && len(text) != len(uuid.Nil.String()) {
		return errors.New("must be a UUID")
	}
	if v.Type() == reflect.TypeFor[time.Time]() && !hasValidOffset(text) {
		return errors.New("must have an offset from UTC of at most 23:59")
	}
	return nil
}

// hasValidOffset reports whether a time's offset from UTC is at most 23:59, which package time does not check.
func hasValidOffset(text string) bool {
	sign := strings.LastIndexAny(text, "+-")
	if sign < len("2006-01-02T") {
		return true // Z
	}
	_, err := time.Parse("15:04", text[sign+1:])
	return err == nil
}

// setText parses a path, query, header or form value into a field.
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
		return checkSpelling(v, raw)
	}
	if custom, ok := v.Addr().Interface().(json.Unmarshaler); ok {
		return custom.UnmarshalJSON([]byte(raw))
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
		return fmt.Errorf("cannot be parsed into %s", v.Type())
	}
	return nil
}
