package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

type book struct {
	Title   string `json:"title"`
	Version int    `json:"version"`
}

func (b book) ETag() string { return fmt.Sprint(b.Version) }

type correction struct {
	IfMatch web.IfMatch `header:"If-Match"`
	Title   string      `json:"title"`
}

type upload struct {
	idempotency.Key
	File web.Body `body:"text/csv,text/plain"`
}

type lines struct {
	File web.Body `body:"text/csv"`
}

type colors struct {
	Attributes map[string]string `query:"attr.*" validate:"max=2,dive,max=5"`
	Other      string            `query:"other"`
}

// newStreaming has routes with bodies and responses that are not JSON. It sends to read how many bytes have arrived.
func newStreaming(read chan<- int) *web.App {
	app := web.New("test", web.Config{Verify: kittest.Verify, Streaming: true, BodyLimit: 1 << 10})
	web.Handle(app, "GET /book", shop.Anyone, func(context.Context, shop.Caller, web.None) (book, error) { return book{"Go", 7}, nil },
		web.Doc("getBook", "products", "Get the book"))
	web.Handle(app, "PATCH /book", shop.Anyone, func(_ context.Context, _ shop.Caller, in correction) (book, error) {
		return book{in.Title, 8}, in.IfMatch.Check(7)
	}, web.Doc("updateBook", "products", "Update the book"))
	web.Handle(app, "GET /find", shop.Anyone, func(_ context.Context, _ shop.Caller, in colors) (map[string]string, error) {
		return in.Attributes, nil
	}, web.Doc("find", "products", "Find attributes"))
	web.Handle(app, "POST /keyed", shop.Anyone, func(_ context.Context, _ shop.Caller, in upload) (map[string]any, error) {
		text, err := io.ReadAll(in.File)
		return map[string]any{"text": string(text), "keyed": in.IsSet()}, err
	}, web.BodyLimit(100), web.Doc("upload", "products", "Upload with a key"))
	web.Handle(app, "POST /lines", shop.Anyone, func(_ context.Context, _ shop.Caller, in lines) (map[string]any, error) {
		total, buffer := 0, make([]byte, 4<<10)
		for {
			n, err := in.File.Read(buffer)
			total += n
			if read != nil && n > 0 {
				read <- n
			}
			if errors.Is(err, io.EOF) {
				return map[string]any{"bytes": total}, nil
			}
			if err != nil {
				return nil, err
			}
		}
	}, web.BodyLimit(8<<20), web.Timeout(time.Minute), web.Doc("addLines", "products", "Add lines"))
	web.Handle(app, "GET /export", shop.Anyone, func(context.Context, shop.Caller, web.None) (web.Content, error) {
		return web.Content{MediaType: "text/csv", Tag: "all", Write: func(_ context.Context, w io.Writer) error {
			for i := range 3 {
				if _, err := fmt.Fprintln(w, i); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}, web.Produces("text/csv"), web.Doc("export", "products", "Export"))
	web.Handle(app, "GET /broken", shop.Anyone, func(context.Context, shop.Caller, web.None) (web.Content, error) {
		return web.Content{MediaType: "text/csv", Write: func(_ context.Context, w io.Writer) error {
			_, _ = fmt.Fprintln(w, "half") // the error that follows is what counts
			panic("in the middle")
		}}, nil
	}, web.Produces("text/csv"), web.Doc("breakOff", "products", "Break off"))
	return app
}

func TestContent(t *testing.T) {
	csv := map[string]string{"Content-Type": "text/csv; charset=utf-8"}
	header := func(name, value string) map[string]string { return map[string]string{name: value} }
	kittest.Run(t, newStreaming(nil), nil, []kittest.Call{
		{Name: "first read", Do: "GET /book", Want: 200, Has: []string{`"Go"`}},
		{Name: "not modified", Do: "GET /book", Header: header("If-None-Match", `"6", W/"7"`), Want: 304, HasNot: []string{"Go"}},
		{Name: "modified since", Do: "GET /book", Header: header("If-None-Match", `"6"`), Want: 200},
		{Name: "change without If-Match", Do: "PATCH /book", Body: `{"title":"C"}`, Want: 200},
		{Name: "change the current state", Do: "PATCH /book", Body: `{"title":"C"}`, Header: header("If-Match", `"6", "7"`), Want: 200},
		{Name: "change anything", Do: "PATCH /book", Body: `{"title":"C"}`, Header: header("If-Match", `*`), Want: 200},
		{Name: "change an old state", Do: "PATCH /book", Body: `{"title":"C"}`, Header: header("If-Match", `"6"`), Want: 412, Has: []string{`"stale"`}},
		{Name: "a weak tag never matches", Do: "PATCH /book", Body: `{"title":"C"}`, Header: header("If-Match", `W/"7"`), Want: 412},
		{Name: "no tag", Do: "PATCH /book", Body: `{"title":"C"}`, Header: header("If-Match", `seven`), Want: 422, Has: []string{`"If-Match"`}},
		{Name: "parameters with a prefix", Do: "GET /find?attr.color=red&attr.size=L&other=1", Want: 200, Has: []string{`{"color":"red","size":"L"}`}},
		{Name: "none with the prefix", Do: "GET /find", Want: 200, Has: []string{`null`}},
		{Name: "too many with the prefix", Do: "GET /find?attr.a=1&attr.b=1&attr.c=1", Want: 422, Has: []string{`at most 2 entries`}},
		{Name: "one without a name", Do: "GET /find?attr.=1", Want: 422, Has: []string{`"attr."`}},
		{Name: "one too long", Do: "GET /find?attr.a=123456", Want: 422, Has: []string{`must have at most 5 characters`}},
		{Name: "raw", Do: "POST /keyed", Body: "a,b", Header: csv, Want: 200, Has: []string{`"text":"a,b"`, `"keyed":false`}},
		{Name: "raw with a key", Do: "POST /keyed", Body: "a,b", Header: map[string]string{"Content-Type": "text/plain", "Idempotency-Key": "k"}, Want: 200,
			Has: []string{`"text":"a,b"`, `"keyed":true`}},
		{Name: "raw of another type", Do: "POST /keyed", Body: `{}`, Want: 415, Has: []string{"text/csv or text/plain"}},
		{Name: "raw too large", Do: "POST /keyed", Body: strings.Repeat("x", 101), Header: csv, Want: 413, Has: []string{`"body_too_large"`}},
		{Name: "raw at the limit", Do: "POST /keyed", Body: strings.Repeat("x", 100), Header: csv, Want: 200},
		{Name: "JSON too large for an app that streams", Do: "PATCH /book", Body: `{"title":"` + strings.Repeat("x", 1<<10) + `"}`, Want: 413},
		{Name: "written while it is sent", Do: "GET /export", Want: 200, Has: []string{"0\n1\n2\n"}},
		{Name: "written and not modified", Do: "GET /export", Header: header("If-None-Match", `"all"`), Want: 304},
	})
}

func TestStreaming(t *testing.T) {
	read := make(chan int)
	base := "http://" + kittest.Serve(t, newStreaming(read))

	t.Run("a body is read as it arrives", func(t *testing.T) {
		body, end := io.Pipe()
		responseed := make(chan string, 1)
		go func() {
			response, err := http.Post(base+"/lines", "text/csv", body)
			if err != nil {
				responseed <- err.Error()
				return
			}
			defer response.Body.Close()          //nolint:errcheck // read to its end
			text, _ := io.ReadAll(response.Body) // compared below
			responseed <- string(text)
		}()
		for range 3 { // each part has arrived before the next is sent
			if _, err := end.Write([]byte("1234\n")); err != nil {
				t.Fatal(err)
			}
			if n := <-read; n != 5 {
				t.Fatalf("%d bytes arrived", n)
			}
		}
		_ = end.Close() // a pipe does not fail
		if got := <-responseed; got != `{"bytes":15}` {
			t.Error(got)
		}
	})
	t.Run("no length announced and too much", func(t *testing.T) {
		go func() {
			for range read {
			}
		}()
		response, err := http.Post(base+"/lines", "text/csv", io.MultiReader(bytes.NewReader(make([]byte, 9<<20))))
		if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
			return // a client that is still sending may see the closed connection before the response
		}
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // not read
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Error(response.Status)
		}
	})
	t.Run("an aborted response is noticed", func(t *testing.T) {
		response, err := http.Get(base + "/broken")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // read until it breaks
		if _, err := io.ReadAll(response.Body); err == nil {
			t.Error("the end is not missed")
		}
	})
}

func TestOpenAPIOfContent(t *testing.T) {
	body, err := json.Marshal(newStreaming(nil).OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"content":{"text/csv":{"schema":{"type":"string"}},"text/plain":`, `"304"`, `"412"`, `"name":"If-Match"`,
		`"name":"attr","required":false,"schema":{"additionalProperties":{"maxLength":5,"type":"string"},"type":"object"`,
		`"200":{"content":{"text/csv":{"schema":{"type":"string"}}}`, `"413"`, `"415"`,
	} {
		if !strings.Contains(string(body), part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
}
