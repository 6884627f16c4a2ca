package web

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"sidecart/kit/shop"
)

type fuzzed struct {
	Name   string            `json:"name"`
	Count  int               `json:"count"`
	Price  *shop.Money       `json:"price"`
	User   shop.UserID       `json:"user"`
	Ok     bool              `json:"ok"`
	Tags   []string          `json:"tags"`
	Labels map[string]string `json:"labels"`
	Lines  []struct {
		ID    *int64 `json:"id"`
		Inner struct {
			Text string `json:"text"`
		} `json:"inner"`
	} `json:"lines"`
}

// FuzzDecode: Decode never panics, and what it accepts encoding/json decodes the same way.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, ``, `null`, `[]`, `"x"`, `{"name":"lamp","count":-1,"price":299.99,"ok":true,"tags":["a",""],"labels":{"k":"v"}}`,
		`{"user":"0192f0c1-2d3e-7abc-8def-0123456789ab","lines":[{"id":1,"inner":{"text":"\u0000"}},null,{"id":null}]}`,
		`{"name":"a","name":"b"}`, `{"NAME":"a"}`, `{"price":1e999999999}`, `{"price":-0.000001}`, `{"count":1.0}`, `{"count":9223372036854775808}`,
		`{"name":"\ud800"}`, "{\"name\":\"\xff\"}", `{"user":{}}`, `{"lines":{"0":{}}}`, `{"tags":null}`, `{"name":{"a":[}`, `{"a":1}{"b":2}`,
		strings.Repeat("[", 1000), strings.Repeat(`{"labels":`, 40), `{"name":"` + strings.Repeat(`\"[`, 100) + `"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want fuzzed
		bad := fields{}
		err := Decode(body, reflect.ValueOf(&got).Elem(), bad, map[string]bool{})
		if err != nil || len(bad) > 0 {
			return
		}
		strict := json.NewDecoder(bytes.NewReader(body))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&want); err != nil {
			t.Fatalf("accepted what is not acceptable: %v", err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

// FuzzCursor: no text makes a cursor that breaks a list, and the cursor of a page continues after the page.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "NA", "!!", "eyJhIjoxfQ", "bnVsbA", "MTIz", "IiI", "W10", "MWU5OTk5OTk5OTk", "LTE", "Lw==", "Lw"} {
		f.Add(seed, int64(7), "a text")
	}
	f.Fuzz(func(t *testing.T, text string, number int64, word string) {
		var c Cursor
		if c.UnmarshalText([]byte(text)) == nil {
			var id int64
			var user shop.UserID
			var both struct {
				Rank float64
				ID   int64
			}
			for _, key := range []any{&id, &user, &both, new(string), new([]string), new(shop.Money)} {
				_ = c.Into(key) // it may fail, for a cursor of another list, and must not panic
			}
		}
		type key struct {
			Number int64
			Word   string
		}
		page, err := NewPage([]key{{number, strings.ToValidUTF8(word, "?")}, {}}, 1, func(k key) any { return k })
		if err != nil || page.NextCursor == nil {
			t.Fatalf("no cursor: %v", err)
		}
		var next Cursor
		var back key
		if err := next.UnmarshalText([]byte(*page.NextCursor)); err != nil {
			t.Fatal(err)
		}
		if err := next.Into(&back); err != nil || back != page.Items[0] {
			t.Fatalf("continues at %+v after %+v: %v", back, page.Items[0], err)
		}
	})
}
