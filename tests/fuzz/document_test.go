package fuzz_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// schema is a JSON Schema, as far as values are made from it.
type schema struct {
	Ref        string             `json:"$ref"`
	Type       types              `json:"type"`
	Format     string             `json:"format"`
	Enum       []any              `json:"enum"`
	MinLength  int                `json:"minLength"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Items      *schema            `json:"items"`
	Members    json.RawMessage    `json:"additionalProperties"` // a schema, or false
	AnyOf      []*schema          `json:"anyOf"`
	OneOf      []*schema          `json:"oneOf"`
	Examples   []json.RawMessage  `json:"examples"`
}

// types is one type or a list of them.
type types []string

func (t *types) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*t = types{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(t))
}

type parameter struct {
	In       string          `json:"in"`
	Name     string          `json:"name"`
	Required bool            `json:"required"`
	Schema   *schema         `json:"schema"`
	Example  json.RawMessage `json:"example"`
}

// operation is an operation of the document.
type operation struct {
	ID         string      `json:"operationId"`
	Parameters []parameter `json:"parameters"`
	Body       struct {
		Required bool `json:"required"`
		Content  map[string]struct {
			Schema  *schema                    `json:"schema"`
			Example map[string]json.RawMessage `json:"example"`
		} `json:"content"`
	} `json:"requestBody"`
	Responses map[string]json.RawMessage `json:"responses"`
	Security  []any                      `json:"security"`

	method, path string
}

// forAdmins reports whether only admins may call the operation: others would get a 403.
func (o *operation) forAdmins() bool { _, ok := o.Responses["403"]; return ok && len(o.Security) > 0 }

func (o *operation) takes(in string) bool {
	return slices.ContainsFunc(o.Parameters, func(p parameter) bool { return p.In == in })
}

// document is the API's document.
type document struct {
	Paths      map[string]map[string]*operation `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`

	operations []*operation // by path and method
}

func newDocument(text []byte) (*document, error) {
	d := &document{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			o := d.Paths[path][method]
			o.method, o.path = strings.ToUpper(method), path
			d.operations = append(d.operations, o)
		}
	}
	if len(d.operations) < 50 {
		return nil, fmt.Errorf("only %d operations were found", len(d.operations))
	}
	return d, nil
}

// resolve follows references, and takes the first alternative that is not null.
func (d *document) resolve(s *schema) *schema {
	for {
		switch {
		case s == nil:
			return &schema{}
		case s.Ref != "":
			s = d.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
		case len(s.AnyOf) > 0:
			s = s.AnyOf[0]
		default:
			return s
		}
	}
}

// kind is what values a schema takes: object, map, array, string, integer, number, boolean, any.
func (d *document) kind(s *schema) string {
	s = d.resolve(s)
	var k string
	if len(s.Type) > 0 {
		k = s.Type[0]
	}
	switch {
	case k == "object" && len(s.Properties) == 0:
		return "map"
	case k == "":
		return "any"
	}
	return k
}

// memberSchema is the schema of a map's values.
func (d *document) memberSchema(s *schema) *schema {
	m := &schema{}
	_ = json.Unmarshal(d.resolve(s).Members, m) // false, where there is none
	return m
}

// target is a part of an operation's requests that gets hostile values.
type target struct {
	op       *operation
	in       string // path, query, header, body, or request for the request as a whole
	media    string // of the body
	name     string // "shipping_address.city", "items[0].quantity"
	schema   *schema
	required bool // a text must not be blank
}

func (t target) String() string {
	where := t.in
	if t.media != "" {
		where = t.media
	}
	return strings.TrimSpace(t.op.method + " " + t.op.path + " " + where + " " + t.name)
}

// targets are all parts of all operations.
func (d *document) targets() (all []target) {
	for _, o := range d.operations {
		all = append(all, target{op: o, in: "request"})
		for _, p := range o.Parameters {
			all = append(all, target{op: o, in: p.In, name: p.Name, schema: p.Schema, required: p.Required})
		}
		for _, media := range slices.Sorted(maps.Keys(o.Body.Content)) {
			all = append(all, target{op: o, in: "request", media: media})
			d.bodyTargets(target{op: o, in: "body", media: media, schema: d.bodySchema(o, media)}, &all)
		}
	}
	return all
}

// bodySchema is the schema of a body, and of a row of a file.
func (d *document) bodySchema(o *operation, media string) *schema {
	if o.ID == "importProducts" {
		return d.Components.Schemas["NewProduct"]
	}
	return o.Body.Content[media].Schema
}

func (d *document) bodyTargets(t target, all *[]target) {
	s := d.resolve(t.schema)
	switch d.kind(s) {
	case "object":
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			m := t
			m.name, m.schema = join(t.name, name), s.Properties[name]
			m.required = slices.Contains(s.Required, name)
			*all = append(*all, m)
			d.bodyTargets(m, all)
		}
	case "array":
		m := t
		m.name, m.schema = t.name+"[0]", s.Items
		*all = append(*all, m)
		d.bodyTargets(m, all)
	case "map":
		m := t
		m.name, m.schema, m.required = join(t.name, mapKey(t.name)), d.memberSchema(s), false
		if t.name != "" {
			*all = append(*all, m)
			d.bodyTargets(m, all)
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// mapKey is the key of a map's one member in valid requests.
func mapKey(path string) string {
	switch path {
	case "kinds":
		return "orders.shipped"
	case "kinds.orders.shipped":
		return "email"
	}
	return "color"
}
