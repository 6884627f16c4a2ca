package notice

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func TestInbox(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	placed := orderPlaced(alice)
	for _, e := range []shop.Event{
		shop.UserRegistered{UserID: alice.ID, Username: "alice", FullName: "Alice"},
		placed,
		shop.OrderPaid{OrderID: placed.OrderID, Number: "SC-1", UserID: alice.ID, Total: placed.Total, Currency: "USD"},
		shop.OrderCancelled{OrderID: placed.OrderID, Number: "SC-1", UserID: alice.ID, Reason: "cancelled by the buyer"},
	} {
		if verdict := kittest.Deliver(t, app, shop.NewID(), e); verdict != "SUCCESS" {
			t.Fatalf("%s: %s", e.Topic(), verdict)
		}
	}
	in := readInbox(t, app, alice, "")
	if got, want := kinds(in), []string{"orders.cancelled", "orders.paid", "orders.placed", "users.registered"}; !slices.Equal(got, want) {
		t.Fatalf("inbox has %v, want %v", got, want)
	}
	read := "POST /notifications/" + in.Items[1].ID.String() + "/read"
	if emitted := kittest.Emitted(t, db); !slices.Equal(emitted, slices.Repeat([]string{"notifications.created"}, 4)) {
		t.Errorf("emitted %v", emitted)
	}
	var first string
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "no token", Do: "GET /notifications", Want: 401},
		{Name: "no token, read", Do: read, Want: 401},
		{Name: "no token, read all", Do: "POST /notifications/read-all", Want: 401},
		{Name: "fields", As: alice, Do: "GET /notifications?limit=1", Want: 200, Has: []string{
			`"unread":4`, `"read_at":null`, `"kind":"orders.cancelled"`, `"data":{"order_id":"` + placed.OrderID.String() + `"`, `"next_cursor":"`},
			HasNot: []string{"user_id"}},
		{Name: "exact money", As: alice, Do: "GET /notifications", Want: 200, Has: []string{`"total":599.98`, `"next_cursor":null`}},
		{Name: "another user's inbox", As: bob, Do: "GET /notifications", Want: 200, Has: []string{`"items":[]`, `"unread":0`, `"next_cursor":null`}},
		{Name: "another user's notification, also for an admin", As: bob, Do: read, Want: 404, Has: []string{"notification_not_found"}},
		{Name: "an unknown id", As: alice, Do: "POST /notifications/" + shop.NewID().String() + "/read", Want: 404},
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
		{Name: "bob reads all", As: bob, Do: "POST /notifications/read-all", Want: 200, Has: []string{`"marked":0`}},
		{Name: "alice's are unchanged", As: alice, Do: "GET /notifications", Want: 200, Has: []string{`"unread":3`}},
		{Name: "read all", As: alice, Do: "POST /notifications/read-all", Want: 200, Has: []string{`"marked":3`}},
		{Name: "read all again", As: alice, Do: "POST /notifications/read-all", Want: 200, Has: []string{`"marked":0`}},
		{Name: "none unread", As: alice, Do: "GET /notifications?unread=true", Want: 200, Has: []string{`"items":[]`, `"unread":0`}},
		{Name: "bad limit, bad cursor, bad flag", As: alice, Do: "GET /notifications?limit=0&cursor=!&unread=perhaps", Want: 422,
			Has: []string{`"limit"`, `"cursor"`, `"unread"`}},
		{Name: "a cursor of another list", As: alice, Do: "GET /notifications?cursor=eyJhIjoxfQ", Want: 422, Has: []string{`"cursor"`}},
	})
}

func TestRedeliveredEventNotifiesOnce(t *testing.T) {
	t.Parallel()
	app, _ := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	e, id := orderPlaced(alice), shop.NewID()
	for range 3 {
		if verdict := kittest.Deliver(t, app, id, e); verdict != "SUCCESS" {
			t.Fatal(verdict)
		}
	}
	if in := readInbox(t, app, alice, ""); len(in.Items) != 1 || in.Unread != 1 {
		t.Fatalf("%d notifications, %d unread, want 1 and 1", len(in.Items), in.Unread)
	}
	kittest.Deliver(t, app, shop.NewID(), e)
	if in := readInbox(t, app, alice, ""); len(in.Items) != 2 {
		t.Fatalf("after another event %d notifications, want 2", len(in.Items))
	}
}

func TestConcurrentRedeliveryNotifiesOnce(t *testing.T) {
	t.Parallel()
	app, _ := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	const events, times = 10, 6
	var wg sync.WaitGroup
	for range events {
		e, id := orderPlaced(alice), shop.NewID()
		for range times {
			wg.Go(func() {
				if verdict := kittest.Deliver(t, app, id, e); verdict != "SUCCESS" {
					t.Error(verdict)
				}
			})
		}
	}
	wg.Wait()
	if in := readInbox(t, app, alice, "?limit=100"); len(in.Items) != events || in.Unread != events {
		t.Fatalf("%d notifications, %d unread, want %d", len(in.Items), in.Unread, events)
	}
}

func TestRedeliveryAfterFailure(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	e, id := orderPlaced(alice), shop.NewID()
	// The notification cannot be stored although the inbox of events can: the event must not count as consumed.
	change(t, db, `alter table notifications rename to notifications_renamed`)
	if verdict := kittest.Deliver(t, app, id, e); verdict != "RETRY" {
		t.Fatalf("verdict %s, want RETRY", verdict)
	}
	change(t, db, `alter table notifications_renamed rename to notifications`)
	if verdict := kittest.Deliver(t, app, id, e); verdict != "SUCCESS" {
		t.Fatalf("verdict %s, want SUCCESS", verdict)
	}
	if in := readInbox(t, app, alice, ""); len(in.Items) != 1 {
		t.Fatalf("%d notifications, want 1", len(in.Items))
	}
}

func TestInvalidEventsAreDropped(t *testing.T) {
	t.Parallel()
	app, _ := newFixture(t)
	id := shop.NewID().String()
	for name, envelope := range map[string]string{
		"not JSON":    `{`,
		"wrong type":  `{"specversion":"1.0","id":"` + id + `","type":"orders.placed","data":{"number":7}}`,
		"no user":     `{"specversion":"1.0","id":"` + id + `","type":"orders.placed","data":{"number":"SC-1"}}`,
		"wrong money": `{"specversion":"1.0","id":"` + id + `","type":"orders.placed","data":{"total":"5"}}`,
	} {
		if verdict := kittest.DeliverRaw(t, app, "orders.placed", envelope); verdict != "DROP" {
			t.Errorf("%s: %s, want DROP", name, verdict)
		}
	}
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	app, _ := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	names := []string{
		`<script>alert(1)</script>`, `'); drop table notifications; --`, `{{.Secret}} %s %!d(string=x) ${jndi:ldap://x}`,
		"a\x00b\r\nSubject: c", "\u202Egnp.exe", strings.Repeat("long ", 10_000), "\U0001F469\u200D\U0001F4BB", ``,
	}
	for _, name := range names {
		e := shop.UserRegistered{UserID: alice.ID, Username: name, FullName: name}
		if verdict := kittest.Deliver(t, app, shop.NewID(), e); verdict != "SUCCESS" {
			t.Errorf("%.40q: %s", name, verdict)
		}
		e2 := orderPlaced(alice)
		e2.Items[0].Name, e2.Number = name, name
		if verdict := kittest.Deliver(t, app, shop.NewID(), e2); verdict != "SUCCESS" {
			t.Errorf("%.40q in an order: %s", name, verdict)
		}
	}
	in := readInbox(t, app, alice, "?limit=100")
	if len(in.Items) != 2*len(names) {
		t.Fatalf("%d notifications, want %d", len(in.Items), 2*len(names))
	}
	for _, m := range in.Items {
		if strings.ContainsAny(m.Title+m.Body+m.Data.Number, "\x00\r\n\u202E") || len(m.Body) > 1000 {
			t.Errorf("not one plain line: %q %q", m.Title, m.Body)
		}
	}
	_, body := kittest.Do(t, app, kittest.Call{As: alice, Do: "GET /notifications?limit=100"})
	if bytes.Contains(body, []byte("<script>")) {
		t.Error("the response has markup that a browser would run")
	}
	if !strings.Contains(in.Items[len(in.Items)-1].Body, `<script>alert(1)</script>`) {
		t.Errorf("the name was changed: %q", in.Items[len(in.Items)-1].Body)
	}
	kittest.Run(t, app, nil, []kittest.Call{{Name: "still there", As: alice, Do: "POST /notifications/read-all", Want: 200, Has: []string{`"marked":16`}}})
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	app, _ := newFixture(t)
	_, body := kittest.Do(t, app, kittest.Call{Do: "GET /dapr/subscribe"})
	for _, topic := range []string{"users.registered", "orders.placed", "orders.paid", "orders.cancelled"} {
		if !bytes.Contains(body, fmt.Appendf(nil, `"topic":%q,"route":"/events/%s","deadLetterTopic":"notifications.dead"`, topic, topic)) {
			t.Errorf("no subscription to %s: %s", topic, body)
		}
	}
}

func TestAdminsAreNotifiedOfStock(t *testing.T) {
	t.Parallel()
	app, _ := newFixture(t)
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	for _, caller := range []shop.Caller{alice, admin} {
		kittest.Deliver(t, app, shop.NewID(), shop.UserRegistered{UserID: caller.ID, Username: "user", Email: "user@example.com"})
	}
	kittest.Deliver(t, app, shop.NewID(), shop.RoleChanged{UserID: admin.ID, Role: shop.Admin})
	kittest.Deliver(t, app, shop.NewID(), shop.StockLow{ProductID: 1, SKU: "A", Name: "Case", Available: 1, Threshold: 5})
	if got := kinds(readInbox(t, app, admin, "")); !slices.Equal(got, []string{"stock.low", "users.registered"}) {
		t.Errorf("the admin has %v", got)
	}
	if got := kinds(readInbox(t, app, alice, "")); !slices.Equal(got, []string{"users.registered"}) {
		t.Errorf("a buyer has %v", got)
	}
}

func TestFeed(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	path := "GET /feeds/" + alice.ID.String()
	kittest.Run(t, app, nil, []kittest.Call{{Name: "empty", Do: path, Want: 200, Has: []string{`{"items":[],"seq":0}`}}})
	for range 3 {
		kittest.Deliver(t, app, shop.NewID(), orderPlaced(alice))
	}
	in := readInbox(t, app, alice, "")
	_ = kittest.Emitted(t, db)
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "from the end", Do: path, Want: 200, Has: []string{`{"items":[],"seq":3}`}},
		{Name: "after one", Do: path + "?after=" + in.Items[2].ID.String(), Want: 200, Has: []string{`{"seq":2,"notification":{"id":"` + in.Items[1].ID.String(), `"seq":3}`},
			HasNot: []string{`{"seq":1,`}},
		{Name: "after the last", Do: path + "?after=" + in.Items[0].ID.String(), Want: 200, Has: []string{`{"items":[],"seq":3}`}},
		{Name: "after a number", Do: path + "?seq=2", Want: 200, Has: []string{`{"seq":3,"notification":{"id":"` + in.Items[0].ID.String()}},
		{Name: "after another user's notification", Do: "GET /feeds/" + shop.NewID().String() + "?after=" + in.Items[0].ID.String(), Want: 200, Has: []string{`{"items":[],"seq":0}`}},
		{Name: "after a number beyond the end", Do: path + "?seq=999999999", Want: 200, Has: []string{`{"items":[],"seq":3}`}},
		{Name: "after the largest number", Do: path + "?seq=9223372036854775807", Want: 200, Has: []string{`{"items":[],"seq":3}`}},
		{Name: "after an invalid id", Do: path + "?after=7", Want: 422, Has: []string{`"after"`}},
	})
}

// TestContactsFollowUsers: the newest event wins in whatever order topics are consumed, and the erasure removes all.
func TestContactsFollowUsers(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	is := func(want contact.Contact) {
		t.Helper()
		want.UserID = alice.ID
		if got, err := contact.Get(t.Context(), db, alice.ID); err != nil || got != want {
			t.Errorf("%+v %v, want %+v", got, err, want)
		}
	}
	kittest.Deliver(t, app, shop.NewID(), shop.RoleChanged{UserID: alice.ID, Role: shop.Admin})
	kittest.Deliver(t, app, shop.NewID(), shop.ProfileChanged{UserID: alice.ID, Username: "alice", Email: "new@example.com", FullName: "Alice", PreviousEmail: "old@example.com"})
	kittest.Deliver(t, app, shop.NewID(), shop.UserRegistered{UserID: alice.ID, Username: "alice", Email: "old@example.com"}) // late
	is(contact.Contact{Email: "new@example.com", Username: "alice", FullName: "Alice", Role: shop.Admin})
	request := uuid.New()
	kittest.Deliver(t, app, shop.NewID(), shop.VerificationRequested{RequestID: request, UserID: alice.ID, Email: "new@example.com", Username: "alice"})
	kittest.Deliver(t, app, shop.NewID(), shop.UserLocked{UserID: alice.ID, Email: "new@example.com", Username: "alice", Address: "203.0.113.7"})
	var to []string
	rows, err := db.Query(t.Context(), `select kind || ' ' || address || ' ' || path || ' ' || coalesce(request_id::text, '') || ' ' || priority from deliveries order by id`)
	if err == nil {
		to, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	want := []string{"users.profile_changed old@example.com   0", "users.verification_requested new@example.com /verify-email " + request.String() + " 0",
		"users.locked new@example.com   0"}
	if err != nil || !slices.Equal(to, want) {
		t.Errorf("planned %q %v, want %q", to, err, want)
	}
	kittest.Run(t, app, nil, []kittest.Call{{Name: "export", Do: "GET /export/" + alice.ID.String(), Want: 200, Has: []string{
		`"email":"new@example.com"`, `"language":"en"`, `"kind":"users.locked"`, `"channel":"email"`}, HasNot: []string{request.String()}}})
	kittest.Deliver(t, app, shop.NewID(), shop.UserErased{UserID: alice.ID})
	kittest.Run(t, app, nil, []kittest.Call{{Name: "export of the erased", Do: "GET /export/" + alice.ID.String(), Want: 200, Has: []string{
		`"email":""`, `"notifications":[]`}, HasNot: []string{"alice", "new@example.com"}}})
	kittest.Deliver(t, app, shop.NewID(), shop.ProfileChanged{UserID: alice.ID, Username: "alice", Email: "late@example.com"})
	kittest.Deliver(t, app, shop.NewID(), orderPlaced(alice))
	is(contact.Contact{Role: shop.User, Erased: true})
	if in := readInbox(t, app, alice, ""); len(in.Items) != 0 {
		t.Errorf("the inbox has %v", kinds(in))
	}
	var left int
	err = db.QueryRow(t.Context(), `
		select count(*) from deliveries where user_id = $1
			and (variables <> '{}' or address <> '' or request_id is not null or state <> 'skipped')`, alice.ID).Scan(&left)
	if err != nil || left > 0 {
		t.Errorf("%d deliveries have personal data, %v", left, err)
	}
}
