package kittest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/kittest/contract"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Call is one row of an API table: a request, the expected response and the emitted events.
type Call struct {
	Name    string
	As      shop.Caller // the zero Caller sends no token
	Do      string      // "POST /orders"
	Body    string      // JSON unless Header has another Content-Type
	Header  map[string]string
	Want    int      // status
	Has     []string // parts of the body
	HasNot  []string
	Emits   []string // emitted topics, in order
	AndThen func(t *testing.T, body []byte)
}

// Run makes the calls in order, each as a subtest, on an app whose outbox is in db. db is nil for an app without an
// outbox.
func Run(t *testing.T, app *web.App, db *pgxpool.Pool, calls []Call) {
	t.Helper()
	for _, call := range calls {
		t.Run(call.Name, func(t *testing.T) {
			status, body := Do(t, app, call)
			if status != call.Want {
				t.Fatalf("%s: %d, want %d: %s", call.Do, status, call.Want, body)
			}
			for _, part := range call.Has {
				if !strings.Contains(string(body), part) {
					t.Errorf("%s: no %s in %s", call.Do, part, body)
				}
			}
			for _, part := range call.HasNot {
				if strings.Contains(string(body), part) {
					t.Errorf("%s: %s in %s", call.Do, part, body)
				}
			}
			if db != nil {
				if topics := Emitted(t, db); !slices.Equal(topics, call.Emits) {
					t.Errorf("%s: emitted %v, want %v", call.Do, topics, call.Emits)
				}
			}
			if call.AndThen != nil {
				call.AndThen(t, body)
			}
		})
	}
}

// Do makes one call and returns the response's status and body. It fails the test if the call differs from the app's
// OpenAPI document.
func Do(t *testing.T, app *web.App, call Call) (status int, body []byte) {
	t.Helper()
	method, path, _ := strings.Cut(call.Do, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(call.Body))
	if err != nil {
		t.Fatal(err)
	}
	if call.Body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if call.As.Known() {
		token, err := Signer.Sign(call.As, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for name, value := range call.Header {
		req.Header.Set(name, value)
	}
	res, err := app.Test(req, 20_000)
	if err != nil {
		t.Fatalf("%s: %v", call.Do, err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	if body, err = io.ReadAll(res.Body); err != nil {
		t.Fatalf("%s: %v", call.Do, err)
	}
	checkContract(t, app, contract.Exchange{
		Request: req, RequestBody: []byte(call.Body), Response: res, ResponseBody: body,
	})
	return res.StatusCode, body
}

var contracts sync.Map // of func() (*contract.Contract, error) by *web.App

// checkContract fails the test if an exchange differs from the app's OpenAPI document, which has no internal routes.
func checkContract(t *testing.T, app *web.App, exchange contract.Exchange) {
	t.Helper()
	read, _ := contracts.LoadOrStore(app, sync.OnceValues(func() (*contract.Contract, error) {
		document, err := json.Marshal(app.OpenAPI())
		if err != nil {
			return nil, err
		}
		return contract.New(document)
	}))
	c, err := read.(func() (*contract.Contract, error))()
	if err != nil {
		t.Fatalf("OpenAPI document of %s: %v", app.Config().AppName, err)
	}
	if err := c.Check(exchange); err != nil && !errors.Is(err, contract.ErrUndocumented) {
		t.Error(err)
	}
}

// Emitted removes the events of the outbox and returns their topics, in order.
func Emitted(t testing.TB, db *pgxpool.Pool) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), `with taken as (delete from outbox returning seq, topic) select topic from taken order by seq`)
	if err != nil {
		t.Fatal(err)
	}
	topics, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return topics
}

// Field returns one member of a JSON object as a T. The test fails if it is missing.
func Field[T any](t *testing.T, body []byte, name string) (value T) {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if err := json.Unmarshal(members[name], &value); err != nil {
		t.Fatalf("%s: %v in %s", name, err, body)
	}
	return value
}
