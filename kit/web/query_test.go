package web_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

type room struct {
	web.PageQuery
	ID         int64             `path:"id"`
	Text       string            `query:"q" empty:"true"`
	Name       string            `query:"name"`
	Since      int64             `query:"since"`
	Facets     bool              `query:"facets" page:"any"`
	Attributes map[string]string `query:"attr.*"`
}

// newRooms has lists of the numbers from 9 to 1.
func newRooms(key []byte) *web.App {
	app := web.New("rooms", web.Config{Verify: kittest.Verify, CursorKey: key})
	list := func(_ context.Context, _ shop.Caller, in room) (web.Page[int], error) {
		return web.PageOf(in.PageQuery, 10, func(before, limit int) (items []int, err error) {
			for n := before - 1; n > 0 && len(items) < limit; n-- {
				items = append(items, n)
			}
			return items, nil
		}, func(n int) int { return n })
	}
	none := func(context.Context, shop.Caller, web.None) (web.None, error) { return web.None{}, nil }
	web.Handle(app, "GET /rooms/{id}", shop.Anyone, list, web.Doc("listRoom", "products", "List a room"))
	web.Handle(app, "GET /other/{id}", shop.Anyone, list, web.Doc("listOther", "products", "List another room"))
	web.Handle(app, "GET /mine/{id}", shop.SignedIn, list, web.Doc("listMine", "products", "List my room"))
	web.Handle(app, "GET /nothing", shop.Anyone, none, web.Doc("getNothing", "products", "Get nothing"))
	web.Handle(app, "POST /nothing", shop.Anyone, none, web.Doc("postNothing", "products", "Post nothing"))
	web.Handle(app, "DELETE /nothing", shop.SignedIn, none, web.Doc("deleteNothing", "products", "Delete nothing"))
	web.Handle(app, "GET /stream", shop.SignedIn, func(context.Context, shop.Caller, web.None) (web.Stream, error) {
		panic("HEAD starts no stream")
	}, web.Produces("text/event-stream"), web.Doc("stream", "products", "Stream"))
	return app
}

// TestQuery: a query parameter that a route does not use is refused and named.
func TestQuery(t *testing.T) {
	alice := kittest.NewCaller(shop.User)
	kittest.Run(t, newRooms(nil), nil, []kittest.Call{
		{Name: "unknown", Do: "GET /rooms/1?max_prise=5&stauts=paid", Want: 422,
			Has: []string{`"max_prise":"is not a parameter of this operation"`, `"stauts":"is not`}},
		{Name: "another case", Do: "GET /rooms/1?Limit=5", Want: 422, Has: []string{`"Limit"`}},
		{Name: "brackets", Do: "GET /rooms/1?limit[]=5", Want: 422, Has: []string{`"limit[]"`}},
		{Name: "without a name", Do: "GET /rooms/1?=5", Want: 422, Has: []string{`"":"is not`}},
		{Name: "without a value", Do: "GET /rooms/1?facets", Want: 422, Has: []string{`"facets":"must not be empty; leave it out instead"`}},
		{Name: "a route without parameters", Do: "GET /nothing?x=1", Want: 422, Has: []string{`"x"`}},
		{Name: "a POST", Do: "POST /nothing?x=1", Want: 422, Has: []string{`"x"`}},
		{Name: "a DELETE", As: alice, Do: "DELETE /nothing?x=1", Want: 422, Has: []string{`"x"`}},
		{Name: "a path parameter in the query", Do: "GET /rooms/1?id=2", Want: 422, Has: []string{`"id"`}},
		{Name: "a question mark only", Do: "GET /nothing?", Want: 204},
		{Name: "many unknown ones", Do: "GET /nothing?" + strings.Repeat("x&", 10) + many(500), Want: 422, Has: []string{`"p7"`}, HasNot: []string{`"p400"`}},

		{Name: "twice", Do: "GET /rooms/1?limit=5&limit=50", Want: 422, Has: []string{`"limit":"must be given once"`}},
		{Name: "twice the same", Do: "GET /rooms/1?limit=5&limit=5", Want: 422, Has: []string{`"limit":"must be given once"`}},
		{Name: "twice in another spelling", Do: "GET /rooms/1?limit=5&%6cimit=6", Want: 422, Has: []string{`"limit":"must be given once"`}},
		{Name: "an attribute twice", Do: "GET /rooms/1?attr.color=red&attr.color=blue", Want: 422, Has: []string{`"attr.color":"must be given once"`}},
		{Name: "two attributes", Do: "GET /rooms/1?attr.color=red&attr.size=&limit=1", Want: 200},
		{Name: "an attribute without a name", Do: "GET /rooms/1?attr.=red", Want: 422, Has: []string{`"attr."`}},
		{Name: "NUL in an attribute's name", Do: "GET /rooms/1?attr.a%00=red", Want: 422, Has: []string{`NUL`}},

		{Name: "an empty number", Do: "GET /rooms/1?limit=", Want: 422, Has: []string{`"limit":"must not be empty; leave it out instead"`}},
		{Name: "an empty text", Do: "GET /rooms/1?name=", Want: 422, Has: []string{`"name":"must not be empty`}},
		{Name: "an empty cursor is the start", Do: "GET /rooms/1?cursor=", Want: 200},
		{Name: "an empty search", Do: "GET /rooms/1?q=", Want: 200},

		{Name: "a semicolon separates nothing", Do: "GET /rooms/1?limit=5;since=1", Want: 422, Has: []string{`"limit":"must be a whole number"`}},
		{Name: "a broken escape", Do: "GET /rooms/1?name=%zz", Want: 400, Has: []string{`"malformed"`}},
		{Name: "half an escape", Do: "GET /rooms/1?name=5%2", Want: 400, Has: []string{`"malformed"`}},
		{Name: "a value that is not UTF-8", Do: "GET /rooms/1?name=caf%e9", Want: 400, Has: []string{`"name":"must be UTF-8"`}},
		{Name: "a surrogate", Do: "GET /rooms/1?name=%ed%a0%80", Want: 400, Has: []string{`"name":"must be UTF-8"`}},
		{Name: "a name that is not UTF-8", Do: "GET /rooms/1?caf%e9=x", Want: 400, Has: []string{`"malformed"`}},
		{Name: "NUL", Do: "GET /rooms/1?name=a%00b", Want: 422, Has: []string{`"name"`}},

		{Name: "tracking on a public read", Do: "GET /rooms/1?limit=1&utm_source=mail&utm_source=x&gclid=&fbclid=1&msclkid=%ff", Want: 200},
		{Name: "tracking on a route without parameters", Do: "GET /nothing?utm_campaign=x", Want: 204},
		{Name: "tracking on a private read", As: alice, Do: "GET /mine/1?utm_source=mail", Want: 422, Has: []string{`"utm_source"`}},
		{Name: "tracking on a change", Do: "POST /nothing?utm_source=mail", Want: 422, Has: []string{`"utm_source"`}},
	})
}

func many(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = "p" + strconv.Itoa(i)
	}
	return strings.Join(names, "&")
}

// TestCursors: a cursor continues its own list, at every replica, and nothing else is one.
func TestCursors(t *testing.T) {
	key := []byte("the key of all replicas of this service")
	app, replica, foreign := newRooms(key), newRooms(key), newRooms(nil)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	next := func(app *web.App, as shop.Caller, path string) string {
		status, body := kittest.Do(t, app, kittest.Call{As: as, Do: "GET " + path})
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, body)
		}
		return "cursor=" + kittest.Field[string](t, body, "next_cursor")
	}
	first, mine := next(app, shop.Caller{}, "/rooms/1?limit=4&name=a&attr.x=1&attr.y=2"), next(app, alice, "/mine/1?limit=1")
	refused := []string{`{"cursor":"is not a cursor of this list"}`}
	kittest.Run(t, replica, nil, []kittest.Call{
		{Name: "the next page, of another size", Do: "GET /rooms/1?attr.y=2&limit=2&name=a&attr.x=1&" + first, Want: 200, Has: []string{`"items":[5,4]`}},
		{Name: "with a parameter of the page", Do: "GET /rooms/1?attr.y=2&facets=true&name=a&attr.x=1&" + first, Want: 200, Has: []string{`"items":[5,4,3,2,1],"next_cursor":null`}},
		{Name: "another filter", Do: "GET /rooms/1?name=b&attr.x=1&attr.y=2&" + first, Want: 422, Has: refused},
		{Name: "another attribute", Do: "GET /rooms/1?name=a&attr.x=1&attr.y=3&" + first, Want: 422, Has: refused},
		{Name: "no filter", Do: "GET /rooms/1?" + first, Want: 422, Has: refused},
		{Name: "one more filter", Do: "GET /rooms/1?name=a&attr.x=1&attr.y=2&since=1&" + first, Want: 422, Has: refused},
		{Name: "another path", Do: "GET /rooms/2?name=a&attr.x=1&attr.y=2&" + first, Want: 422, Has: refused},
		{Name: "another list", Do: "GET /other/1?name=a&attr.x=1&attr.y=2&" + first, Want: 422, Has: refused},
		{Name: "the same caller", As: alice, Do: "GET /mine/1?" + mine, Want: 200, Has: []string{`"items":[8`}},
		{Name: "another caller", As: bob, Do: "GET /mine/1?" + mine, Want: 422, Has: refused},
		{Name: "of a service with another key", Do: "GET /rooms/1?" + next(foreign, shop.Caller{}, "/rooms/1?limit=1"), Want: 422, Has: refused},
		{Name: "beside another error", Do: "GET /rooms/1?cursor=x&limit=0", Want: 422, Has: []string{`"limit"`, `"cursor"`}},
	})
	own := strings.TrimPrefix(next(app, shop.Caller{}, "/rooms/1?limit=1"), "cursor=")
	signed, _ := base64.RawURLEncoding.DecodeString(own)
	for _, forged := range []string{
		"e30", "!!", "NA", "IA", own + "A", own + "==", own[:len(own)-1], own[1:], " " + own, own + "\n", strings.ToUpper(own), "bnVsbA", "W10", "Ijki",
		"eyJzIjoibmFtZSIsImkiOjEsIm4iOiJcdTAwMDAifQ", "eyJzIjoicmVsZXZhbmNlIiwiaSI6MSwiciI6OTk5OTk5OTk5OTl9", "eyJzIjoicHJpY2UiLCJpIjoxfQ",
		base64.RawURLEncoding.EncodeToString(append(signed[:16:16], "1e999"...)), base64.RawURLEncoding.EncodeToString(append(signed[:16:16], "8"...)),
		strings.Repeat("A", 4000),
	} {
		status, body := kittest.Do(t, app, kittest.Call{Do: "GET /rooms/1?cursor=" + url.QueryEscape(forged)})
		if status != http.StatusUnprocessableEntity || !strings.Contains(string(body), refused[0]) {
			t.Errorf("%.60q: %d %s", forged, status, body)
		}
	}
	for at := range own { // each character matters
		changed := []byte(own)
		changed[at] = map[bool]byte{true: 'B', false: 'A'}[own[at] == 'A']
		if status, _ := kittest.Do(t, app, kittest.Call{Do: "GET /rooms/1?cursor=" + string(changed)}); status != http.StatusUnprocessableEntity {
			t.Errorf("with another character at %d: %d", at, status)
		}
	}
}

// TestWithoutQuery: a service method that is called without a request has pages, too.
func TestWithoutQuery(t *testing.T) {
	q := web.PageQuery{Limit: 2}
	page, err := web.NewPage([]int{5, 4, 3}, q, func(n int) any { return n })
	if err != nil || len(page.Items) != 2 || page.NextCursor == nil {
		t.Fatalf("%+v, %v", page, err)
	}
	at := 0
	if err := q.Cursor.UnmarshalText([]byte(*page.NextCursor)); err != nil || q.Cursor.Into(&at) != nil || at != 4 {
		t.Errorf("continues at %d, %v", at, err)
	}
	var other struct{ Name string }
	if err := q.Cursor.Into(&other); fault.Of(err).Kind != fault.Invalid {
		t.Errorf("a cursor with another sort key: %v", err)
	}
	if _ = q.Cursor.UnmarshalText([]byte("e30")); fault.Of(q.Cursor.Into(&other)).Kind != fault.Invalid {
		t.Error("a forged cursor is accepted")
	}
	if last, _ := web.NewPage([]int(nil), q, func(n int) any { return n }); last.Items == nil || last.NextCursor != nil {
		t.Errorf("the end is %+v", last)
	}
}

// TestHead: HEAD is GET without a body.
func TestHead(t *testing.T) {
	app, alice := newRooms(nil), kittest.NewCaller(shop.User)
	token, err := kittest.Signer.Sign(alice, 60_000_000_000)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/rooms/1?limit=2": "200 application/json", "/rooms/1?x=1": "422 " + fault.ContentType, "/stream": "200 text/event-stream", "/nothing": "204 ",
		"/health": "200 application/json",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://localhost"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := app.Test(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if got := fmt.Sprint(res.StatusCode, " ", res.Header.Get("Content-Type")); got != want || len(body) > 0 {
			t.Errorf("HEAD %s: %s, want %s: %s", path, got, want, body)
		}
	}
}
