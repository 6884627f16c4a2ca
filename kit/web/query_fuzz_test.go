package web

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// FuzzCursor: no text but a page's own makes a cursor, and the cursor of a page continues after the page.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{
		"", "NA", "!!", "eyJhIjoxfQ", "bnVsbA", "MTIz", "IiI", "W10", "MWU5OTk5OTk5OTk", "LTE", "Lw==", "Lw", "e30",
		"eyJzIjoibmFtZSIsImkiOjEsIm4iOiJcdTAwMDAifQ", "eyJzIjoicmVsZXZhbmNlIiwiaSI6MSwiciI6OTk5OTk5OTk5OTl9", "eyJzIjoicHJpY2UiLCJpIjoxfQ",
	} {
		f.Add(seed, int64(7), "a text")
	}
	f.Fuzz(func(t *testing.T, text string, number int64, word string) {
		list := []byte("the key of a list")
		type key struct {
			Number int64
			Word   string
		}
		q := PageQuery{Limit: 1, Cursor: Cursor{list: list}}
		page, err := NewPage([]key{{number, strings.ToValidUTF8(word, "?")}, {}}, q, func(k key) any { return k })
		if err != nil || page.NextCursor == nil {
			t.Fatalf("no cursor: %v", err)
		}
		forged := Cursor{text: []byte(text)}
		if text != *page.NextCursor && forged.open(list) {
			t.Fatalf("%q is taken for a cursor", text)
		}
		next, other := Cursor{text: []byte(*page.NextCursor)}, Cursor{text: []byte(*page.NextCursor)}
		if other.open([]byte("the key of another list")) {
			t.Fatal("a cursor is valid for another list")
		}
		var back key
		if !next.open(list) {
			t.Fatal("the cursor of a page is refused")
		}
		if err := next.Into(&back); err != nil || back != page.Items[0] {
			t.Fatalf("continues at %+v after %+v: %v", back, page.Items[0], err)
		}
	})
}

// FuzzQuery: no query makes a panic; what is accepted has known parameters only, each once, in UTF-8.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"limit=5&limit=50", "max_prise=5", "limit=", "limit=%zz", "limit=5;name=x", "limit=5&utm_source=mail&gclid=1", "attr.color=red&attr.color=blue",
		"attr.=x", "attr.a%00b=x", "name=%ff", "na%ffme=x", "name=caf\u00e9", "name=caf\xe9", "&&", "=", "=5", "name=a+b%20c", "%6cimit=5", "Limit=5", "limit[]=5",
		"cursor=e30", "name=%ed%a0%80", "name=%00", "name=" + strings.Repeat("a", 300), "limit=+5", "limit=%2B5", "limit=1e1", "limit=\u0665",
	} {
		f.Add(seed)
	}
	type query struct {
		PageQuery
		Name  string            `query:"name"`
		Attrs map[string]string `query:"attr.*"`
	}
	app := New("fuzz", Config{})
	op := newOperation[query, None](app, "GET /things", shop.Anyone, nil)
	f.Fuzz(func(t *testing.T, text string) {
		request := &fasthttp.RequestCtx{}
		request.Request.URI().SetQueryString(text)
		c := app.AcquireCtx(request)
		defer app.ReleaseCtx(c)
		var in query
		if err := op.in.decode(c, shop.Caller{}, reflect.ValueOf(&in).Elem(), op); err != nil {
			if kind := fault.Of(err).Kind; kind != fault.Invalid && kind != fault.Malformed {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		given := map[string]bool{}
		for key, value := range request.QueryArgs().All() {
			name := string(key)
			attribute, isAttribute := strings.CutPrefix(name, "attr.")
			switch {
			case IsTracking(name):
				continue
			case given[name] || !utf8.Valid(value):
				t.Fatalf("%q is accepted", text)
			case isAttribute && in.Attrs[attribute] == string(value):
			case name == "name" && in.Name == string(value) && in.Name != "":
			case name == "limit" && in.Limit >= 1 && in.Limit <= 100:
			default:
				t.Fatalf("%q is accepted as %+v", text, in)
			}
			given[name] = true
		}
	})
}
