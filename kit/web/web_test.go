package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

type basketLine struct {
	ProductID int64 `json:"product_id" validate:"required,min=1"`
	Quantity  int   `json:"quantity" validate:"required,min=1,max=1000"`
}

type basketID struct {
	ID int64 `path:"id" validate:"min=1"`
}

type basket struct {
	basketID
	Note   string            `json:"note" validate:"max=10"`
	Price  *shop.Money       `json:"price" validate:"omitempty,price"`
	Lines  []basketLine      `json:"lines" validate:"required,min=1,dive"`
	Labels map[string]string `json:"labels" validate:"max=2"`
	Mail   string            `json:"mail" validate:"omitempty,email"`
}

type echo struct {
	ID    int64        `json:"id"`
	Note  string       `json:"note"`
	Price shop.Money   `json:"price"`
	Lines []basketLine `json:"lines"`
}

type search struct {
	web.PageQuery
	Name string `query:"name" validate:"max=5"`
}

var errShort = fault.New(fault.Conflict, "short", "not enough left")

func newApp(token string) *web.App {
	app := web.New("test", web.Config{Verify: kittest.Verify, AppToken: token})
	web.Handle(app, "POST /baskets/{id}", shop.Anyone, func(_ context.Context, _ shop.Caller, in basket) (echo, error) {
		if in.Note == "short" {
			return echo{}, errShort.With("lines[0].quantity", "only 1 left").WithRetryAfter(3)
		}
		if in.Note == "deadlock" {
			return echo{}, fmt.Errorf("keep: %w", &pgconn.PgError{Code: "40P01", Message: "deadlock detected"})
		}
		if in.Note == "panic" {
			panic("a bug with a secret")
		}
		out := echo{ID: in.ID, Note: in.Note, Lines: in.Lines}
		if in.Price != nil {
			out.Price = *in.Price
		}
		return out, nil
	}, web.Created, web.Fails(errShort), web.Doc("fillBasket", "cart", "Fill a basket"))
	web.Handle(app, "GET /things", shop.Anyone, func(_ context.Context, _ shop.Caller, in search) (map[string]any, error) {
		return map[string]any{"limit": in.Limit, "name": in.Name}, nil
	}, web.Doc("listThings", "products", "List things"))
	web.Handle(app, "GET /me", shop.SignedIn, func(_ context.Context, caller shop.Caller, _ web.None) (map[string]any, error) {
		return map[string]any{"id": caller.ID}, nil
	}, web.NoStore, web.Doc("getMe", "account", "Get the caller"))
	web.Handle(app, "DELETE /shop", shop.ManageCatalogue, func(context.Context, shop.Caller, web.None) (web.None, error) {
		return web.None{}, nil
	}, web.Doc("deleteShop", "admin", "Delete the shop"))
	web.Handle(app, "POST /sign-in", shop.Anyone, func(_ context.Context, _ shop.Caller, in struct {
		Name string `json:"name" validate:"required"`
	}) (map[string]any, error) {
		return map[string]any{"name": in.Name}, nil
	}, web.Form, web.Doc("signIn", "auth", "Sign in"))
	return app
}

const valid = `{"note":"hi","price":299.9,"lines":[{"product_id":1,"quantity":2}]}`

func TestInput(t *testing.T) {
	kittest.Run(t, newApp(""), nil, []kittest.Call{
		{Name: "valid", Do: "POST /baskets/7", Body: valid, Want: 201, Has: []string{`"id":7`, `"price":299.9`}},
		{Name: "malformed", Do: "POST /baskets/7", Body: `{"note":`, Want: 400, Has: []string{`"malformed"`}},
		{Name: "empty", Do: "POST /baskets/7", Want: 400, Has: []string{`"malformed"`}},
		{Name: "trailing data", Do: "POST /baskets/7", Body: valid + valid, Want: 400},
		{Name: "not an object", Do: "POST /baskets/7", Body: `[1]`, Want: 422},
		{Name: "all bad fields", Do: "POST /baskets/7", Want: 422,
			Body: `{"note":5,"price":"9","role":"admin","mail":"no address","lines":[{"product_id":1,"quantity":0},{"product_id":"x","quantity":1001,"color":1}]}`,
			Has: []string{`"note":"must be a string"`, `"price":"an amount is a number like 299.99"`, `"role":"is not a known field"`,
				`"mail":"must be an e-mail address"`, `"lines[0].quantity":"must not be empty or zero"`,
				`"lines[1].product_id":"must be a whole number"`, `"lines[1].quantity":"must be at most 1000"`,
				`"lines[1].color":"is not a known field"`}},
		{Name: "null in a map", Do: "POST /baskets/7", Body: `{"labels":{"a":null},"lines":[{"product_id":1,"quantity":1}]}`, Want: 422,
			Has: []string{`"labels.a":"must not be null"`}},
		{Name: "bad path field", Do: "POST /baskets/0", Body: valid, Want: 422, Has: []string{`{"id":"must be at least 1"}`}},
		{Name: "missing", Do: "POST /baskets/7", Body: `{}`, Want: 422, Has: []string{`"lines":"is required"`}},
		{Name: "twice", Do: "POST /baskets/7", Body: `{"note":"a","note":"b","lines":[{"product_id":1,"quantity":1,"quantity":2}]}`, Want: 422,
			Has: []string{`"note":"is given twice"`, `"lines[0].quantity":"is given twice"`}},
		{Name: "too deeply", Do: "POST /baskets/7", Body: `{"note":` + strings.Repeat("[", 32), Want: 400, Has: []string{"too deeply"}},
		{Name: "deep in a text", Do: "POST /baskets/7", Body: `{"labels":{"a":"\\\"` + strings.Repeat("[", 99) + `"},"lines":[{"product_id":1,"quantity":1}]}`, Want: 201},
		{Name: "names match by case", Do: "POST /baskets/7", Body: `{"LINES":[]}`, Want: 422, Has: []string{`"LINES":"is not a known field"`}},
		{Name: "a path field is not a body field", Do: "POST /baskets/7", Body: `{"ID":1,"lines":[]}`, Want: 422, Has: []string{`"ID":"is not a known field"`}},
		{Name: "negative", Do: "POST /baskets/7", Body: `{"price":-1,"lines":[{"product_id":1,"quantity":-2}]}`, Want: 422,
			Has: []string{`"price":"must not be negative"`, `"lines[0].quantity":"must be at least 1"`}},
		{Name: "fraction", Do: "POST /baskets/7", Body: `{"lines":[{"product_id":1,"quantity":1.5}]}`, Want: 422, Has: []string{`must be a whole number`}},
		{Name: "NUL", Do: "POST /baskets/7", Body: `{"note":"a\u0000b","lines":[{"product_id":1,"quantity":1}]}`, Want: 422, Has: []string{`NUL`}},
		{Name: "not JSON", Do: "POST /baskets/7", Body: valid, Header: map[string]string{"Content-Type": "text/plain"}, Want: 415},
		{Name: "a form where none is accepted", Do: "POST /baskets/7", Body: "note=x", Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, Want: 415},
		{Name: "form", Do: "POST /sign-in", Body: "name=testuser", Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, Want: 200, Has: []string{`"testuser"`}},
		{Name: "form with an unknown field", Do: "POST /sign-in", Body: "name=t&role=admin", Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, Want: 422, Has: []string{`"role"`}},
		{Name: "form in parts", Do: "POST /sign-in", Body: inParts("name", "testuser"), Header: partsHeader, Want: 200, Has: []string{`"testuser"`}},
		{Name: "form in parts with an unknown field", Do: "POST /sign-in", Body: inParts("role", "admin"), Header: partsHeader, Want: 422, Has: []string{`"role"`}},
		{Name: "form in broken parts", Do: "POST /sign-in", Body: "name=testuser", Header: partsHeader, Want: 400, Has: []string{`"malformed"`}},
		{Name: "broken parts where JSON is expected", Do: "POST /baskets/7", Body: "note=hi", Header: partsHeader, Want: 415, Has: []string{`"unsupported_media_type"`}},
		{Name: "form in parts with a file", Do: "POST /sign-in", Body: strings.Replace(inParts("name", "x"), `"name"`, `"name"; filename="x"`, 1), Header: partsHeader, Want: 422, Has: []string{`"name (a file)"`}},
		{Name: "an invalid id", Do: "POST /baskets/seven", Body: valid, Want: 404},
		{Name: "query", Do: "GET /things?limit=7&name=abc", Want: 200, Has: []string{`"limit":7`, `"abc"`}},
		{Name: "query default", Do: "GET /things", Want: 200, Has: []string{`"limit":20`}},
		{Name: "limit too large", Do: "GET /things?limit=101", Want: 422, Has: []string{`"limit":"must be at most 100"`}},
		{Name: "limit zero", Do: "GET /things?limit=0", Want: 422},
		{Name: "limit not a number", Do: "GET /things?limit=x", Want: 422},
		{Name: "limit twice", Do: "GET /things?limit=1&limit=2", Want: 422, Has: []string{`"limit":"must be given once"`}},
		{Name: "invalid cursor", Do: "GET /things?cursor=%21%21", Want: 422, Has: []string{`"cursor"`}},
		{Name: "fault", Do: "POST /baskets/7", Body: strings.Replace(valid, "hi", "short", 1), Want: 409,
			Header: map[string]string{"Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, Has: []string{`"short"`, `"lines[0].quantity":"only 1 left"`, `"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"`}},
		{Name: "a deadlock", Do: "POST /baskets/7", Body: strings.Replace(valid, "hi", "deadlock", 1), Want: 503, Has: []string{`"unavailable"`}, HasNot: []string{"deadlock"}},
		{Name: "panic", Do: "POST /baskets/7", Body: strings.Replace(valid, "hi", "panic", 1), Want: 500, Has: []string{`"internal"`}, HasNot: []string{"secret", "goroutine"}},
	})
}

var partsHeader = map[string]string{"Content-Type": "multipart/form-data; boundary=parts"}

func inParts(name, value string) string {
	return "--parts\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n--parts--\r\n"
}

func TestTooLarge(t *testing.T) {
	conn, err := net.Dial("tcp", kittest.Serve(t, newApp("")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's end
	// Only the head is sent: the response must not wait for a body that is refused anyway.
	if _, err := fmt.Fprintf(conn, "POST /baskets/7 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", 2<<20); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(body), "body_too_large") {
		t.Errorf("%d %s, %v", res.StatusCode, body, err)
	}
}

func TestAuthorisation(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	kittest.Run(t, newApp(""), nil, []kittest.Call{
		{Name: "no token", Do: "GET /me", Want: 401, Has: []string{`"token_missing"`}},
		{Name: "not a token", Do: "GET /me", Header: map[string]string{"Authorization": "Bearer nonsense"}, Want: 401, Has: []string{`"token_invalid"`}},
		{Name: "another scheme", Do: "GET /me", Header: map[string]string{"Authorization": "Basic eDp5"}, Want: 401},
		{Name: "signed in", As: alice, Do: "GET /me", Want: 200, Has: []string{alice.ID.String()}},
		{Name: "without the permission", As: alice, Do: "DELETE /shop", Want: 403, Has: []string{`"forbidden"`}},
		{Name: "admin", As: admin, Do: "DELETE /shop", Want: 204},
		{Name: "unknown route", Do: "GET /nowhere", Want: 404},
	})
}

func TestOnlyOwnSidecar(t *testing.T) {
	app, alice := newApp("the app's token"), kittest.NewCaller(shop.User)
	sidecar := map[string]string{"dapr-api-token": "the app's token"}
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "a bearer token is not enough", As: alice, Do: "GET /me", Want: 401, Has: []string{`"sidecar_token"`}},
		{Name: "another token", As: alice, Do: "GET /me", Header: map[string]string{"dapr-api-token": "x"}, Want: 401},
		{Name: "the sidecar", As: alice, Do: "GET /me", Header: sidecar, Want: 200},
		{Name: "the sidecar without a caller", Do: "GET /me", Header: sidecar, Want: 401, Has: []string{`"token_missing"`}},
		{Name: "health is open", Do: "GET /health", Want: 200, Has: []string{`"ok"`}},
		{Name: "metrics are open", Do: "GET /metrics", Want: 200, Has: []string{"go_goroutines"}},
		{Name: "API docs are open", Do: "GET /docs", Want: 200, Has: []string{"swagger", "/openapi.json"}, HasNot: []string{`src="http`, `href="http`}},
	})
}

func TestReady(t *testing.T) {
	down := fmt.Errorf("connection to secret-host refused")
	app := newApp("")
	app.RequireHealthy(web.Check{Name: "database", Probe: func(context.Context) error { return nil }})
	app.ReportHealth(web.Check{Name: "broker", Probe: func(context.Context) error { return down }})
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "degraded is ready", Do: "GET /health/ready", Want: 200, Has: []string{`"status":"degraded"`, `"broker":{"status":"down"`}, HasNot: []string{"secret-host"}},
	})
	app.RequireHealthy(web.Check{Name: "sidecar", Probe: func(context.Context) error { return down }})
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "down is not", Do: "GET /health/ready", Want: 503, Has: []string{`"status":"down"`}},
		{Name: "but alive", Do: "GET /health", Want: 200},
	})
}

func TestOpenAPIHasTheRules(t *testing.T) {
	body, err := json.Marshal(newApp("").OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"openapi":"3.1.0"`, `"/baskets/{id}"`, `"minimum":1,"type":"integer"`, `"maximum":1000`, `"required":["product_id","quantity"]`,
		`"mail":{"type":["string","null"]}`, `"404"`, `"additionalProperties":false`, `Conflict: short`, `"x-permission":"manage catalogue"`, `"default":20`,
		`"application/x-www-form-urlencoded"`, `"operationId":"fillBasket"`,
	} {
		if !strings.Contains(string(body), part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
}

func TestUndocumentedRoutesPanic(t *testing.T) {
	for name, options := range map[string][]web.Option{
		"no Doc":               nil,
		"an operationId twice": {web.Doc("signIn", "auth", "Sign in again")},
		"an unknown tag":       {web.Doc("get", "nothing", "Get nothing")},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			app := newApp("")
			web.Handle(app, "GET /new", shop.Anyone, func(context.Context, shop.Caller, web.None) (web.None, error) {
				return web.None{}, nil
			}, options...)
			app.OpenAPI()
		})
	}
}

func TestEveryResponseCanBeTraced(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/nowhere", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Request-Id", "evil\tid")
	req.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	res, err := newApp("").Test(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // not read
	if id := res.Header.Get("X-Request-Id"); id == "" || strings.Contains(id, "evil") {
		t.Errorf("request id %q", id)
	}
	if parent := res.Header.Get("Traceparent"); !strings.HasPrefix(parent, "00-4bf92f3577b34da6a3ce929d0e0e4736-") {
		t.Errorf("traceparent %q", parent)
	}
}
