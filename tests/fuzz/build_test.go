package fuzz_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
)

// builder makes one request: valid, but for the parts that are overridden.
type builder struct {
	*document
	*worker
	*request
	rng  *rand.Rand
	over map[string]value // by the name of a body's field
	part map[string]value // by path, query or header and a name
}

// build fills the request. The worker makes what it needs, such as an order to ship.
func (b *builder) build() error {
	op := b.op
	b.method, b.path = op.method, op.path
	b.as = b.caller(op)
	if err := b.parameters(); err != nil {
		return err
	}
	medias := slices.Sorted(maps.Keys(op.Body.Content))
	if len(medias) == 0 {
		return b.prepare(b)
	}
	media := b.media
	if media == "" {
		media = medias[b.rng.IntN(len(medias))]
		b.media = media
	}
	if err := b.prepare(b); err != nil {
		return err
	}
	b.hasBody = true
	b.writeBody(media)
	return nil
}

func (b *builder) parameters() error {
	for _, p := range b.op.Parameters {
		hostile, ok := b.part[p.In+" "+p.Name]
		switch {
		case p.In == "path":
			text := hostile.text
			if !ok {
				valid, err := b.pathValue(b.request, p.Name)
				if err != nil {
					return err
				}
				text = valid
			} else if k := b.kind(p.Schema); k != "integer" && b.resolve(p.Schema).Format != "uuid" {
				text = url.PathEscape(text)
			}
			b.path = strings.ReplaceAll(b.path, "{"+p.Name+"}", noBlanks(text))
		case p.In == "query" && (ok || p.Required):
			if !ok {
				hostile.text = "token"
			}
			name := p.Name
			if name == "attr" {
				name = "attr.weight"
			}
			b.query = append(b.query, url.QueryEscape(name)+"="+url.QueryEscape(hostile.text))
		case p.In == "header" && ok:
			b.headers = append(b.headers, header{p.Name, hostile.text})
		}
	}
	return nil
}

// noBlanks is a text that does not end the path of a request's first line.
func noBlanks(text string) string {
	return strings.NewReplacer(" ", "%20", "\r", "%0D", "\n", "%0A", "#", "%23").Replace(text)
}

func (b *builder) writeBody(media string) {
	s := b.bodySchema(b.op, media)
	if media != jsonType && media != linesType {
		b.cells = b.fields(s)
	}
	switch media {
	case formType:
		form := url.Values{}
		for _, f := range b.cells {
			form.Add(f.name, f.value)
		}
		b.body = form.Encode()
	case multipartType:
		b.media, b.body = multipartBody(b.cells)
	case csvType:
		b.body = csvBody(b.cells)
	case linesType:
		b.body = b.render(s, "", true) + "\n"
	default:
		b.body = b.render(s, "", true)
	}
}

// fields are the fields of a form, or the cells of a row.
func (b *builder) fields(s *schema) (all []header) {
	s = b.resolve(s)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if !b.includes(s, "", name) {
			continue
		}
		hostile, ok := b.over[name]
		text := b.render(s.Properties[name], name, true)
		var plain string
		switch {
		case ok && (hostile.text != "" || hostile.json == ""):
			plain = hostile.text
		case name == "file":
			plain = picture()
		case json.Unmarshal([]byte(text), &plain) != nil:
			plain = text
		}
		all = append(all, header{name, plain})
	}
	return all
}

func multipartBody(fields []header) (media, body string) {
	const boundary = "sidecart-fuzz-boundary"
	var out strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&out, "--%s\r\nContent-Disposition: form-data; name=%q", boundary, f.name)
		if f.name == "file" {
			out.WriteString("; filename=\"picture.png\"\r\nContent-Type: image/png")
		}
		out.WriteString("\r\n\r\n" + f.value + "\r\n")
	}
	return multipartType + "; boundary=" + boundary, out.String() + "--" + boundary + "--\r\n"
}

func csvBody(fields []header) string {
	var out strings.Builder
	w := csv.NewWriter(&out)
	var names, cells []string
	for _, f := range fields {
		names, cells = append(names, f.name), append(cells, f.value)
	}
	_ = w.WriteAll([][]string{names, cells}) // to a string
	return out.String()
}

// render writes a value of a schema as JSON.
func (b *builder) render(s *schema, at string, valid bool) string {
	if hostile, ok := b.over[at]; ok && valid {
		return hostile.asJSON()
	}
	s = b.resolve(s)
	if text := b.valid(b.request, at); text != "" && !b.hostileBelow(at) {
		return text
	}
	switch b.kind(s) {
	case "object":
		var members []string
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			if b.includes(s, at, name) {
				members = append(members, quote(name)+":"+b.render(s.Properties[name], join(at, name), true))
			}
		}
		return "{" + strings.Join(members, ",") + "}"
	case "array":
		return "[" + b.render(s.Items, at+"[0]", true) + "]"
	case "map":
		key := mapKey(at)
		return "{" + quote(key) + ":" + b.render(b.memberSchema(s), join(at, key), true) + "}"
	}
	return scalar(b.kind(s), s)
}

func scalar(kind string, s *schema) string {
	switch {
	case len(s.Examples) > 0:
		return string(s.Examples[0])
	case len(s.Enum) > 0:
		return quote(fmt.Sprint(s.Enum[0]))
	}
	switch kind {
	case "integer", "number":
		return "1"
	case "boolean":
		return "true"
	}
	return `"text"`
}

// includes reports whether a request has a field: it is required, hostile, or one of the optional ones chosen.
func (b *builder) includes(s *schema, at, name string) bool {
	path := join(at, name)
	chosen := b.rng.IntN(2) == 0 // also for required ones: the same fields are chosen whichever is hostile
	_, hostile := b.over[path]
	needed := strings.HasSuffix(b.op.ID, "Template") || at == "shipping_address" // all parts of a mail, and of an address in the US
	return hostile || b.hostileBelow(path) || slices.Contains(s.Required, name) || chosen || needed
}

// hostileBelow reports whether a member of a field is hostile.
func (b *builder) hostileBelow(path string) bool {
	for hostile := range b.over {
		if strings.HasPrefix(hostile, path+".") || strings.HasPrefix(hostile, path+"[") {
			return true
		}
	}
	return false
}
