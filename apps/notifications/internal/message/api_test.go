package message

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func start(t *testing.T) (*web.App, *pgxpool.Pool) {
	t.Helper()
	db := kittest.DB(t, event.Migrations, Migrations)
	app := web.New("notifications", web.Config{Verify: kittest.Verify})
	messages := NewService(db)
	messages.Routes(app)
	messages.Subscribe(event.NewHub(app, "notifications", db))
	return app, db
}

// deliver brings an event as a sidecar does and returns the verdict.
func deliver(t *testing.T, app *web.App, id uuid.UUID, e shop.Event) string {
	t.Helper()
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return deliverRaw(t, app, e.Topic(), fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"test","type":%q,"subject":%q,
		"time":"2026-01-02T03:04:05Z","datacontenttype":"application/json","pubsubname":"pubsub","topic":%q,"data":%s}`,
		id, e.Topic(), e.Key(), e.Topic(), data))
}

func deliverRaw(t *testing.T, app *web.App, topic, envelope string) string {
	t.Helper()
	status, body := kittest.Do(t, app, kittest.Call{Do: "POST /events/" + topic, Body: envelope,
		Header: map[string]string{"Content-Type": "application/cloudevents+json"}})
	if status != 200 {
		t.Fatalf("%s: %d: %s", topic, status, body)
	}
	return kittest.Field[string](t, body, "status")
}

func inbox(t *testing.T, app *web.App, who shop.Caller, query string) (in Inbox) {
	t.Helper()
	status, body := kittest.Do(t, app, kittest.Call{As: who, Do: "GET /notifications" + query})
	if status != 200 {
		t.Fatalf("inbox: %d: %s", status, body)
	}
	if err := json.Unmarshal(body, &in); err != nil {
		t.Fatal(err)
	}
	return in
}

func kinds(in Inbox) (all []string) {
	for _, m := range in.Items {
		all = append(all, m.Kind)
	}
	return all
}

func order(buyer shop.Caller) shop.OrderPlaced {
	return shop.OrderPlaced{OrderID: shop.OrderID{UUID: shop.NewID()}, Number: "SC-1", UserID: buyer.ID, Total: shop.MustMoney("599.98"),
		Currency: "USD", Items: []shop.OrderLine{{ProductID: 1, Name: "Wireless Headphones", Quantity: 2}}}
}

func TestInbox(t *testing.T) {
	t.Parallel()
	app, db := start(t)
	alice, bob := kittest.Somebody(shop.User), kittest.Somebody(shop.Admin)
	placed := order(alice)
	for _, e := range []shop.Event{
		shop.UserRegistered{UserID: alice.ID, Username: "alice", FullName: "Alice"},
		placed,
		shop.OrderPaid{OrderID: placed.OrderID, Number: "SC-1", UserID: alice.ID, Total: placed.Total, Currency: "USD"},
		shop.OrderCancelled{OrderID: placed.OrderID, Number: "SC-1", UserID: alice.ID, Reason: "asked by the buyer"},
	} {
		if verdict := deliver(t, app, shop.NewID(), e); verdict != "SUCCESS" {
			t.Fatalf("%s: %s", e.Topic(), verdict)
		}
	}
	in := inbox(t, app, alice, "")
	if got, want := kinds(in), []string{"orders.cancelled", "orders.paid", "orders.placed", "users.registered"}; !slices.Equal(got, want) {
		t.Fatalf("inbox has %v, want %v", got, want)
	}
	read := "POST /notifications/" + in.Items[1].ID.String() + "/read"
	var first string
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "no token", Do: "GET /notifications", Want: 401},
		{Name: "no token, read", Do: read, Want: 401},
		{Name: "no token, read all", Do: "POST /notifications/read-all", Want: 401},
		{Name: "members", As: alice, Do: "GET /notifications?limit=1", Want: 200, Has: []string{
			`"unread":4`, `"read_at":null`, `"kind":"orders.cancelled"`, `"data":{"order_id":"` + placed.OrderID.String() + `"`, `"next_cursor":"`},
			HasNot: []string{"user_id"}},
		{Name: "exact money", As: alice, Do: "GET /notifications", Want: 200, Has: []string{`"total":599.98`, `"next_cursor":null`}},
		{Name: "another's inbox is another", As: bob, Do: "GET /notifications", Want: 200, Has: []string{`"items":[]`, `"unread":0`, `"next_cursor":null`}},
		{Name: "another's message is not there, not even for an admin", As: bob, Do: read, Want: 404, Has: []string{"notification_not_found"}},
		{Name: "nobody's message", As: alice, Do: "POST /notifications/" + shop.NewID().String() + "/read", Want: 404},
		{Name: "not an id", As: alice, Do: "POST /notifications/7/read", Want: 404},
		{Name: "the zero id", As: alice, Do: "POST /notifications/" + uuid.Nil.String() + "/read", Want: 404},
		{Name: "read", As: alice, Do: read, Want: 200, Has: []string{`"kind":"orders.paid"`},
			AndThen: func(t *testing.T, body []byte) { first = kittest.Field[string](t, body, "read_at") }},
		{Name: "read again keeps the time", As: alice, Do: read, Want: 200, AndThen: func(t *testing.T, body []byte) {
			if again := kittest.Field[string](t, body, "read_at"); first == "" || again != first {
				t.Errorf("read_at was %q and is %q", first, again)
			}
		}},
		{Name: "unread only", As: alice, Do: "GET /notifications?unread=true", Want: 200, Has: []string{`"unread":3`}, HasNot: []string{"orders.paid"}},
		{Name: "bob reads all of his", As: bob, Do: "POST /notifications/read-all", Want: 200, Has: []string{`"marked":0`}},
		{Name: "which leaves alice's", As: alice, Do: "GET /notifications", Want: 200, Has: []string{`"unread":3`}},
		{Name: "read all", As: alice, Do: "POST /notifications/read-all", Want: 200, Has: []string{`"marked":3`}},
		{Name: "read all again", As: alice, Do: "POST /notifications/read-all", Want: 200, Has: []string{`"marked":0`}},
		{Name: "none unread", As: alice, Do: "GET /notifications?unread=true", Want: 200, Has: []string{`"items":[]`, `"unread":0`}},
		{Name: "bad limit, bad cursor, bad flag", As: alice, Do: "GET /notifications?limit=0&cursor=!&unread=perhaps", Want: 422,
			Has: []string{`"limit"`, `"cursor"`, `"unread"`}},
		{Name: "a cursor of another list", As: alice, Do: "GET /notifications?cursor=eyJhIjoxfQ", Want: 422, Has: []string{`"cursor"`}},
	})
}

func TestTwiceIsOnce(t *testing.T) {
	t.Parallel()
	app, _ := start(t)
	alice := kittest.Somebody(shop.User)
	e, id := order(alice), shop.NewID()
	for range 3 {
		if verdict := deliver(t, app, id, e); verdict != "SUCCESS" {
			t.Fatal(verdict)
		}
	}
	if in := inbox(t, app, alice, ""); len(in.Items) != 1 || in.Unread != 1 {
		t.Fatalf("%d messages, %d unread, want 1 and 1", len(in.Items), in.Unread)
	}
	deliver(t, app, shop.NewID(), e)
	if in := inbox(t, app, alice, ""); len(in.Items) != 2 {
		t.Fatalf("another event made %d messages, want 2", len(in.Items))
	}
}

func TestRacingDeliveriesAreOne(t *testing.T) {
	t.Parallel()
	app, _ := start(t)
	alice := kittest.Somebody(shop.User)
	const events, times = 10, 6
	var wg sync.WaitGroup
	for range events {
		e, id := order(alice), shop.NewID()
		for range times {
			wg.Go(func() {
				if verdict := deliver(t, app, id, e); verdict != "SUCCESS" {
					t.Error(verdict)
				}
			})
		}
	}
	wg.Wait()
	if in := inbox(t, app, alice, "?limit=100"); len(in.Items) != events || in.Unread != events {
		t.Fatalf("%d messages, %d unread, want %d", len(in.Items), in.Unread, events)
	}
}

func TestRedeliveryAfterFailure(t *testing.T) {
	t.Parallel()
	app, db := start(t)
	alice := kittest.Somebody(shop.User)
	e, id := order(alice), shop.NewID()
	// The message cannot be written although the inbox of events can: the event must not count as heard.
	change(t, db, `alter table messages rename to messages_away`)
	if verdict := deliver(t, app, id, e); verdict != "RETRY" {
		t.Fatalf("verdict %s, want RETRY", verdict)
	}
	change(t, db, `alter table messages_away rename to messages`)
	if verdict := deliver(t, app, id, e); verdict != "SUCCESS" {
		t.Fatalf("verdict %s, want SUCCESS", verdict)
	}
	if in := inbox(t, app, alice, ""); len(in.Items) != 1 {
		t.Fatalf("%d messages, want 1", len(in.Items))
	}
}

func TestWhatCannotBeTold(t *testing.T) {
	t.Parallel()
	app, _ := start(t)
	id := shop.NewID().String()
	for name, envelope := range map[string]string{
		"not JSON":    `{`,
		"wrong type":  `{"specversion":"1.0","id":"` + id + `","type":"orders.placed","data":{"number":7}}`,
		"no user":     `{"specversion":"1.0","id":"` + id + `","type":"orders.placed","data":{"number":"SC-1"}}`,
		"wrong money": `{"specversion":"1.0","id":"` + id + `","type":"orders.placed","data":{"total":"5"}}`,
	} {
		if verdict := deliverRaw(t, app, "orders.placed", envelope); verdict != "DROP" {
			t.Errorf("%s: %s, want DROP", name, verdict)
		}
	}
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	app, db := start(t)
	alice := kittest.Somebody(shop.User)
	names := []string{
		`<script>alert(1)</script>`, `'); drop table messages; --`, `{{.Secret}} %s %!d(string=x) ${jndi:ldap://x}`,
		"a\x00b\r\nSubject: c", "\u202Egnp.exe", strings.Repeat("long ", 10_000), "\U0001F469\u200D\U0001F4BB", ``,
	}
	for _, name := range names {
		e := shop.UserRegistered{UserID: alice.ID, Username: name, FullName: name}
		if verdict := deliver(t, app, shop.NewID(), e); verdict != "SUCCESS" {
			t.Errorf("%.40q: %s", name, verdict)
		}
		e2 := order(alice)
		e2.Items[0].Name, e2.Number = name, name
		if verdict := deliver(t, app, shop.NewID(), e2); verdict != "SUCCESS" {
			t.Errorf("%.40q in an order: %s", name, verdict)
		}
	}
	in := inbox(t, app, alice, "?limit=100")
	if len(in.Items) != 2*len(names) {
		t.Fatalf("%d messages, want %d", len(in.Items), 2*len(names))
	}
	for _, m := range in.Items {
		if strings.ContainsAny(m.Title+m.Body+m.Data.Number, "\x00\r\n\u202E") || len(m.Body) > 1000 {
			t.Errorf("not one plain line: %q %q", m.Title, m.Body)
		}
	}
	_, body := kittest.Do(t, app, kittest.Call{As: alice, Do: "GET /notifications?limit=100"})
	if bytes.Contains(body, []byte("<script>")) {
		t.Error("the answer holds markup that a browser would run")
	}
	if !strings.Contains(in.Items[len(in.Items)-1].Body, `<script>alert(1)</script>`) {
		t.Errorf("the name did not stay as it was written: %q", in.Items[len(in.Items)-1].Body)
	}
	kittest.Run(t, app, db, []kittest.Call{{Name: "still there", As: alice, Do: "POST /notifications/read-all", Want: 200, Has: []string{`"marked":16`}}})
}

func TestHears(t *testing.T) {
	t.Parallel()
	app, _ := start(t)
	_, body := kittest.Do(t, app, kittest.Call{Do: "GET /dapr/subscribe"})
	for _, topic := range []string{"users.registered", "orders.placed", "orders.paid", "orders.cancelled"} {
		if !bytes.Contains(body, fmt.Appendf(nil, `"topic":%q,"route":"/events/%s","deadLetterTopic":"notifications.dead"`, topic, topic)) {
			t.Errorf("the sidecar is not asked for %s: %s", topic, body)
		}
	}
}
