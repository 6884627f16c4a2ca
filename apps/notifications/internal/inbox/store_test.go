package inbox

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/kittest"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

func change(t *testing.T, db *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func addNotifications(t *testing.T, db *pgxpool.Pool, owner shop.UserID, n int) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		for i := range n {
			n := Notification{ID: ID{shop.NewID()}, UserID: owner, Kind: "orders.paid", Title: fmt.Sprintf("notification %d", i)}
			if _, err := Insert(t.Context(), tx, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPagesAreStable(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	addNotifications(t, db, alice.ID, 25)
	addNotifications(t, db, bob.ID, 5)
	seen := map[ID]bool{}
	var last ID
	query, pages := "?limit=10", 0
	for query != "" {
		in := readInbox(t, app, alice, query)
		for _, m := range in.Items {
			if seen[m.ID] || (pages > 0 && m.ID.String() >= last.String()) {
				t.Fatalf("page %d shows %s again or out of order", pages, m.ID)
			}
			seen[m.ID], last = true, m.ID
		}
		addNotifications(t, db, alice.ID, 3) // newer than the following pages
		if query = ""; in.NextCursor != nil {
			query = "?limit=10&cursor=" + *in.NextCursor
		}
		pages++
	}
	if len(seen) != 25 || pages != 3 {
		t.Fatalf("%d notifications on %d pages, want 25 on 3", len(seen), pages)
	}
}

func TestFullLastPage(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	addNotifications(t, db, alice.ID, 10)
	if in := readInbox(t, app, alice, "?limit=10"); len(in.Items) != 10 || in.NextCursor != nil {
		t.Fatalf("%d notifications, next %v", len(in.Items), in.NextCursor)
	}
}

func TestUnreadPages(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	addNotifications(t, db, alice.ID, 9)
	all := readInbox(t, app, alice, "").Items
	for _, i := range []int{0, 3, 4, 8} {
		kittest.Do(t, app, kittest.Call{As: alice, Do: "POST /notifications/" + all[i].ID.String() + "/read"})
	}
	first := readInbox(t, app, alice, "?unread=true&limit=3")
	if len(first.Items) != 3 || first.NextCursor == nil || first.Unread != 5 {
		t.Fatalf("first page: %+v", first)
	}
	second := readInbox(t, app, alice, "?unread=true&limit=3&cursor="+*first.NextCursor)
	if len(second.Items) != 2 || second.NextCursor != nil || second.Items[1].ID != all[7].ID {
		t.Fatalf("second page: %+v", second)
	}
}

func TestConcurrentReadAll(t *testing.T) {
	t.Parallel()
	_, db := newFixture(t)
	s, alice := NewService(db), kittest.NewCaller(shop.User)
	addNotifications(t, db, alice.ID, 500)
	marked := make([]int, 8)
	var wg sync.WaitGroup
	for i := range marked {
		wg.Go(func() {
			n, err := s.MarkAllRead(t.Context(), alice.ID)
			if err != nil {
				t.Error(err)
			}
			marked[i] = n
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range marked {
		sum += n
	}
	if sum != 500 {
		t.Errorf("500 notifications were marked %d times", sum)
	}
}

func TestInboxUsesIndexes(t *testing.T) {
	t.Parallel()
	_, db := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	change(t, db, `
		insert into notifications (id, user_id, seq, kind, title, body, data, read_at)
		select gen_random_uuid(), gen_random_uuid(), 1, 'k', 't', 'b', '{}', now() from generate_series(1, 20000)`)
	addNotifications(t, db, alice.ID, 50)
	change(t, db, `analyze notifications`)
	for index, run := range map[string]func(postgres.Reader) error{
		"notifications_of_user": func(db postgres.Reader) error {
			_, err := list(t.Context(), db, alice.ID, false, ID{shop.NewID()}, 21)
			return err
		},
		"notifications_unread": func(db postgres.Reader) error {
			_, err := countUnread(t.Context(), db, alice.ID)
			return err
		},
	} {
		explainer := &kittest.Explainer{Pool: db}
		if err := run(explainer); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(explainer.Plan, index) || strings.Contains(explainer.Plan, "Seq Scan") {
			t.Errorf("without %s:\n%s", index, explainer.Plan)
		}
	}
}
