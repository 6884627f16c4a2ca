package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

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
	Free   json.RawMessage   `json:"free"`
	Any    any               `json:"any"`
	Parent Optional[int64]   `json:"parent"`
	Lines  []struct {
		ID    *int64 `json:"id"`
		Inner struct {
			Text string `json:"text"`
		} `json:"inner"`
	} `json:"lines"`
}

// hostile are values that clients of other shops sent.
var hostile = []string{
	"{\"name\":\"Caf\xe9\"}", `{"name":"a\ud800b"}`, `{"labels":{"\udc00":"\ud83d\ude00"}}`, `{"labels":{"color":"red","color":"blue"}}`,
	`{"count":2.0}`, `{"count":2e0}`, `{"count":1e400}`, `{"count":1e-99999}`, `{"count":0e-99999}`, `{"count":1e999999999999}`,
	`{"price":1E+2}`, `{"price":5.000}`, `{"price":1e-99999}`, `{"free":{"a":[1e-99999,"\u0000","\ud800",{"b":1,"b":2}]}}`, `{"any":0e-99999}`,
	`{"any":12345678901234567890.5}`, `{"name":"\u200b\u2060\ufeff\u3164"}`, `{"parent":null}`, `{"parent":7.0}`, `{"lines":[{"inner":{}},{}]}`,
}

// FuzzDecode: Decode never panics, and what it accepts is kept as it was sent.
func FuzzDecode(f *testing.F) {
	for _, seed := range append(hostile,
		`{}`, ``, `null`, `[]`, `"x"`, `{"name":"lamp","count":-1,"price":299.99,"ok":true,"tags":["a",""],"labels":{"k":"v"}}`,
		`{"user":"0192f0c1-2d3e-7abc-8def-0123456789ab","lines":[{"id":1,"inner":{"text":"\u0000"}},null,{"id":null}]}`,
		`{"name":"a","name":"b"}`, `{"NAME":"a"}`, `{"price":1e999999999}`, `{"price":-0.000001}`, `{"count":1.0}`, `{"count":9223372036854775808}`,
		`{"user":{}}`, `{"lines":{"0":{}}}`, `{"tags":null}`, `{"name":{"a":[}`, `{"a":1}{"b":2}`,
		strings.Repeat("[", 1000), strings.Repeat(`{"labels":`, 40), `{"name":"`+strings.Repeat(`\"[`, 100)+`"}`,
	) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got fuzzed
		bad := fields{}
		err := Decode(body, reflect.ValueOf(&got).Elem(), bad, map[string]bool{})
		if err != nil || len(bad) > 0 {
			return
		}
		kept, err := json.Marshal(struct {
			fuzzed
			Parent *int64 `json:"parent"`
		}{got, got.Parent.Value})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsRune(kept, utf8.RuneError) && !bytes.ContainsRune(body, utf8.RuneError) && !bytes.Contains(bytes.ToLower(body), []byte(`\ufffd`)) {
			t.Fatalf("%q became %q", body, kept)
		}
		checkKept(t, "", generic(t, body), generic(t, kept))
	})
}

// checkKept fails the test if a value that was sent was not kept. null is as good as left out.
func checkKept(t *testing.T, path string, sent, kept any) {
	t.Helper()
	switch sent := sent.(type) {
	case nil:
	case map[string]any:
		members, _ := kept.(map[string]any)
		for name, value := range sent {
			checkKept(t, path+"."+name, value, members[name])
		}
	case []any:
		values, _ := kept.([]any)
		if len(values) != len(sent) {
			t.Fatalf("%s: %d values of %d", path, len(values), len(sent))
		}
		for i, value := range sent {
			checkKept(t, path+"[]", value, values[i])
		}
	case json.Number:
		if kept, ok := kept.(json.Number); !ok || !sameNumber(string(sent), string(kept)) {
			t.Fatalf("%s: %s became %v", path, sent, kept)
		}
	case string:
		if id, err := uuid.Parse(sent); path == ".user" && err == nil && id.String() == kept {
			return // a UUID may be written in several ways
		}
		if sent != kept {
			t.Fatalf("%s: %q became %q", path, sent, kept)
		}
	default:
		if sent != kept {
			t.Fatalf("%s: %v became %v", path, sent, kept)
		}
	}
}

// sameNumber compares exactly. The zeros of huge exponents would not fit any memory.
func sameNumber(a, b string) bool {
	exact := func(text string) string {
		d, _ := shop.ParseDecimal(text)
		digits := strings.TrimRight(d.Digits, "0")
		if digits == "" {
			return "0"
		}
		return fmt.Sprint(d.Negative, digits, d.Scale-len(d.Digits)+len(digits))
	}
	return exact(a) == exact(b)
}

func generic(t *testing.T, text []byte) (value any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		t.Fatalf("accepted what is no JSON: %v", err)
	}
	return value
}

// FuzzForm: a form never panics, and what is accepted is kept as other programs read it.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"name=lamp&count=1", "name=Caf%C3%A9+1", "name=Caf%E9", "name=Caf\xe9", "name=a&name=b", "name=%00", "name=%zz", "n%61me=a", "=", "=&=", "&&", "name",
		"count=2.0", "count=1e400", "price=1E%2B2", "price=5.000", "price=1e-99999", "ok=yes", "ok=1", "user=x", "name=a;count=2",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var args fasthttp.Args
		args.Parse(body)
		got, bad, present := formInput{}, fields{}, map[string]bool{}
		err := decodeForm(pairs(args.All()), reflect.ValueOf(&got).Elem(), bad, present)
		if err != nil || len(bad) > 0 {
			return
		}
		want, err := url.ParseQuery(body)
		if err != nil {
			return // url refuses what browsers send literally: %zz and semicolons
		}
		checkForm(t, got, present, want)
	})
}

// FuzzMultipart is FuzzForm for forms in parts.
func FuzzMultipart(f *testing.F) {
	part := func(head, value string) string {
		return "--b\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + value + "\r\n"
	}
	for _, seed := range []string{
		part(`name="name"`, "lamp") + "--b--", part(`name="name"`, "Caf\xe9") + "--b--", part(`name="name"`, "a") + part(`name="name"`, "b") + "--b--",
		part(`name="name"; filename="x"`, "a") + "--b--", part(`name=""`, "a") + "--b--", part(`name="name"`, "cut"), part(`name="name"`, "cut") + "--b\r\n",
		part(`name*=utf-8''n%61me`, "a") + "--b--", part(`name="name"`+"\r\nContent-Transfer-Encoding: quoted-printable", "=41") + "--b--", "--b--", "", "0--b--",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, bad, present := formInput{}, fields{}, map[string]bool{}
		err := decodeForm(parts(body, "b"), reflect.ValueOf(&got).Elem(), bad, present)
		if err != nil || len(bad) > 0 {
			return
		}
		want, err := multipart.NewReader(bytes.NewReader(body), "b").ReadForm(1 << 20)
		if err != nil {
			t.Fatalf("accepted what is no form: %v", err)
		}
		checkForm(t, got, present, want.Value)
	})
}

type formInput struct {
	Name  string      `json:"name"`
	Count int         `json:"count"`
	Price *shop.Money `json:"price"`
	Ok    bool        `json:"ok"`
	User  shop.UserID `json:"user"`
}

func checkForm(t *testing.T, got formInput, present map[string]bool, want map[string][]string) {
	t.Helper()
	if strings.Join(want[""], "") == "" {
		delete(want, "") // "=" says nothing
	}
	if len(present) != len(want) {
		t.Fatalf("%d fields of %d", len(present), len(want))
	}
	for name, values := range want {
		if len(values) != 1 || !utf8.ValidString(values[0]) || strings.ContainsRune(values[0], 0) {
			t.Fatalf("%s: accepted %q", name, values)
		}
	}
	if name := want["name"]; len(name) == 1 && name[0] != got.Name {
		t.Fatalf("%q became %q", name[0], got.Name)
	}
	if price := want["price"]; len(price) == 1 && !sameNumber(price[0], got.Price.String()) {
		t.Fatalf("%q became %s", price[0], got.Price)
	}
}
