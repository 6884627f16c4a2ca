package web

import (
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
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
	example    string
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
		p := param{index: f.Index, fallback: f.Tag.Get("default"), fieldTyp: f.Type, validation: f.Tag.Get("validate"), example: f.Tag.Get("example")}
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
	return cmp.Or(raw, p.fallback)
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
