package idempotency_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

type thing struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

type newThing struct {
	idempotency.Key
	Name string `json:"name" validate:"required"`
}

func database(t *testing.T) *pgxpool.Pool {
	db := kittest.DB(t, idempotency.Migrations)
	exec(t, db, `create table things (id bigint generated always as identity primary key, name text not null)`)
	return db
}

func exec(t *testing.T, db *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, db *pgxpool.Pool, sql string) (n int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func insert(ctx context.Context, tx pgx.Tx, name string) (made thing, err error) {
	err = tx.QueryRow(ctx, `insert into things (name) values ($1) returning id, name`, name).Scan(&made.ID, &made.Name)
	return made, err
}

func makeThing(db *pgxpool.Pool, in newThing) (thing, error) {
	ctx := context.Background()
	return idempotency.Do(ctx, event.NewOutbox(db), in.Key, func(tx event.TX) (thing, error) { return insert(ctx, tx, in.Name) })
}

var alice, bob = shop.UserID{UUID: uuid.New()}, shop.UserID{UUID: uuid.New()}

// request is alice's request.
func request(key, name string) newThing {
	return newThing{idempotency.New(key, alice, "POST /things", []byte(name)), name}
}

// TestConcurrentRequestsCreateOne runs at two replicas: two pools on one database.
func TestConcurrentRequestsCreateOne(t *testing.T) {
	one := database(t)
	two, err := postgres.Open(t.Context(), one.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	var made sync.Map
	var race sync.WaitGroup
	for i := range 20 {
		race.Go(func() {
			got, err := makeThing([]*pgxpool.Pool{one, two}[i%2], request("k", "lamp"))
			if err != nil {
				t.Error(err)
			}
			made.Store(got, true)
		})
	}
	race.Wait()
	responses := 0
	made.Range(func(any, any) bool { responses++; return true })
	if responses != 1 || count(t, one, `select count(*) from things`) != 1 {
		t.Errorf("%d responses, %d things", responses, count(t, one, `select count(*) from things`))
	}
}

// TestOneFailsAndAnotherDoesTheWork: the first of many requests fails while the others wait for it.
func TestOneFailsAndAnotherDoesTheWork(t *testing.T) {
	db := database(t)
	ctx := context.Background()
	failed := errors.New("the first one fails")
	var tries, refused atomic.Int32
	var race sync.WaitGroup
	for range 10 {
		race.Go(func() {
			_, err := idempotency.Do(ctx, event.NewOutbox(db), request("k", "lamp").Key, func(tx event.TX) (made thing, err error) {
				if made, err = insert(ctx, tx, "lamp"); err == nil && tries.Add(1) == 1 {
					err = failed
				}
				return made, err
			})
			if errors.Is(err, failed) {
				refused.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	race.Wait()
	if tries.Load() != 2 || refused.Load() != 1 || count(t, db, `select count(*) from things`) != 1 {
		t.Errorf("%d tries, %d failed, %d things", tries.Load(), refused.Load(), count(t, db, `select count(*) from things`))
	}
}

func TestConcurrentRequestsWithDifferentBodiesCreateOne(t *testing.T) {
	db := database(t)
	var done, reused atomic.Int32
	var race sync.WaitGroup
	for i := range 10 {
		race.Go(func() {
			switch _, err := makeThing(db, request("k", fmt.Sprint("lamp ", i))); {
			case err == nil:
				done.Add(1)
			case errors.Is(err, idempotency.ErrReused):
				reused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	race.Wait()
	if done.Load() != 1 || reused.Load() != 9 || count(t, db, `select count(*) from things`) != 1 {
		t.Errorf("%d done, %d refused", done.Load(), reused.Load())
	}
}

func TestKeysBelongToUserAndRouteForADay(t *testing.T) {
	db := database(t)
	first, err := makeThing(db, request("k", "lamp"))
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]newThing{
		"another key":   request("k2", "lamp"),
		"another user":  {idempotency.New("k", bob, "POST /things", []byte("lamp")), "lamp"},
		"another route": {idempotency.New("k", alice, "POST /others", []byte("lamp")), "lamp"},
		"no key":        {idempotency.New("", alice, "POST /things", []byte("lamp")), "lamp"},
	} {
		if got, err := makeThing(db, in); err != nil || got.ID == first.ID {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	exec(t, db, `update idempotency_keys set expires_at = now() + interval '1 second'`)
	if got, err := makeThing(db, request("k", "lamp")); err != nil || got != first {
		t.Errorf("before its time: %+v, %v", got, err)
	}
	exec(t, db, `update idempotency_keys set expires_at = now() - interval '1 second'`)
	if got, err := makeThing(db, request("k", "vase")); err != nil || got.Name != "vase" {
		t.Errorf("after its time: %+v, %v", got, err)
	}
}

func TestKeysAreDeletedAfterADay(t *testing.T) {
	db := database(t)
	for _, key := range []string{"old", "new"} {
		if _, err := makeThing(db, request(key, "lamp")); err != nil {
			t.Fatal(err)
		}
		if key == "old" {
			exec(t, db, `update idempotency_keys set expires_at = now() - interval '1 second'`)
		}
	}
	if err := idempotency.Prune(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, `select count(*) from idempotency_keys`); n != 1 {
		t.Errorf("%d keys are left", n)
	}
	if again, err := makeThing(db, request("new", "lamp")); err != nil || again.ID != 2 {
		t.Errorf("a key whose time is not over: %+v, %v", again, err)
	}
}

func TestKeysAndRequestsAreHashed(t *testing.T) {
	db := database(t)
	if _, err := makeThing(db, request("my-key", "my-password")); err != nil {
		t.Fatal(err)
	}
	var row string
	if err := db.QueryRow(t.Context(), `select encode(key, 'escape') || encode(request, 'escape') from idempotency_keys`).Scan(&row); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(row, "my-key") || strings.Contains(row, "my-password") {
		t.Errorf("stored: %s", row)
	}
}

func TestResultsThatDoNotSurviveJSON(t *testing.T) {
	db := database(t)
	_, err := idempotency.Do(t.Context(), event.NewOutbox(db), request("k", "lamp").Key, func(event.TX) (any, error) {
		return map[string]any{"large": int64(1<<53 + 1)}, nil
	})
	if fault.Of(err).Kind != fault.Internal {
		t.Errorf("a number that changes when it is read back: %v", err)
	}
}

func TestCalls(t *testing.T) {
	db := database(t)
	refused := fault.New(fault.Conflict, "refused", "no")
	app := web.New("things", web.Config{Verify: kittest.Verify})
	web.Handle(app, "POST /things/{room}", shop.Anyone, func(_ context.Context, _ shop.Caller, in struct {
		newThing
		Room string `path:"room"`
	}) (thing, error) {
		if in.Name == "refused" {
			return thing{}, refused
		}
		return makeThing(db, in.newThing)
	}, web.Created, web.Fails(refused), web.Doc("createThing", "products", "Create a thing"))
	call := func(name, path, key, body string, want int, has ...string) kittest.Call {
		return kittest.Call{Name: name, Do: "POST /things/" + path, Body: body, Header: map[string]string{"Idempotency-Key": key}, Want: want, Has: has}
	}
	long := strings.Repeat("k", 255)
	kittest.Run(t, app, nil, []kittest.Call{
		call("first", "a", long, `{"name":"lamp"}`, 201, `{"id":1,"name":"lamp"}`),
		call("again", "a", long, `{"name":"lamp"}`, 201, `{"id":1,"name":"lamp"}`),
		call("written otherwise", "a", long, ` { "name" : "l\u0061mp" } `, 201, `{"id":1,"name":"lamp"}`),
		call("another body", "a", long, `{"name":"vase"}`, 422, `"idempotency_key_reused"`, `"Idempotency-Key":"was used`),
		call("another path", "b", long, `{"name":"lamp"}`, 422, `"idempotency_key_reused"`),
		call("a failure", "a", "k", `{"name":"refused"}`, 409),
		call("keeps no key", "a", "k", `{"name":"lamp"}`, 201, `{"id":2,`),
		call("not acceptable", "a", "k2", `{}`, 422, `"name":"is required"`),
		call("keeps no key either", "a", "k2", `{"name":"lamp"}`, 201, `{"id":3,`),
		call("too long", "a", long+"k", `{"colour":1}`, 422, `"Idempotency-Key":"must be 1 to 255`, `"colour":"is not a known field"`),
		call("not printable", "a", "k\u00e9", `{"name":"lamp"}`, 422, `"Idempotency-Key":"must be 1 to 255`),
		call("empty", "a", "", `{"name":"lamp"}`, 422, `"Idempotency-Key":"must be 1 to 255`),
		{Name: "no key", Do: "POST /things/a", Body: `{"name":"lamp"}`, Want: 201, Has: []string{`{"id":4,`}},
		{Name: "no key again", Do: "POST /things/a", Body: `{"name":"lamp"}`, Want: 201, Has: []string{`{"id":5,`}},
	})
	document, err := json.Marshal(app.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"in":"header","name":"Idempotency-Key","required":false`, `idempotency_key_reused`} {
		if !strings.Contains(string(document), part) {
			t.Errorf("no %s in the document", part)
		}
	}
}
