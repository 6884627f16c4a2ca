package inbox

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func change(t *testing.T, db *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func addMessages(t *testing.T, db *pgxpool.Pool, owner shop.UserID, n int) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		for i := range n {
			m := Notification{ID: ID{shop.NewID()}, UserID: owner, Kind: "orders.paid", Title: fmt.Sprintf("message %d", i)}
			if _, err := Insert(t.Context(), tx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPagesStayWhileMessagesCome(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	addMessages(t, db, alice.ID, 25)
	addMessages(t, db, bob.ID, 5)
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
		addMessages(t, db, alice.ID, 3) // newer than all that is still to be read
		if query = ""; in.NextCursor != nil {
			query = "?limit=10&cursor=" + *in.NextCursor
		}
		pages++
	}
	if len(seen) != 25 || pages != 3 {
		t.Fatalf("%d messages on %d pages, want 25 on 3", len(seen), pages)
	}
}

func TestAPageThatIsExactlyFullIsTheLast(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	addMessages(t, db, alice.ID, 10)
	if in := readInbox(t, app, alice, "?limit=10"); len(in.Items) != 10 || in.NextCursor != nil {
		t.Fatalf("%d messages, next %v", len(in.Items), in.NextCursor)
	}
}

func TestUnreadPages(t *testing.T) {
	t.Parallel()
	app, db := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	addMessages(t, db, alice.ID, 9)
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

func TestReadAllRacesWithItself(t *testing.T) {
	t.Parallel()
	_, db := newFixture(t)
	s, alice := NewService(db), kittest.NewCaller(shop.User)
	addMessages(t, db, alice.ID, 500)
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
		t.Errorf("500 messages were marked %d times", sum)
	}
}

func TestTheInboxIsReadByIndex(t *testing.T) {
	t.Parallel()
	_, db := newFixture(t)
	alice := kittest.NewCaller(shop.User)
	change(t, db, `
		insert into messages (id, user_id, seq, kind, title, body, data, read_at)
		select gen_random_uuid(), gen_random_uuid(), 1, 'k', 't', 'b', '{}', now() from generate_series(1, 20000)`)
	addMessages(t, db, alice.ID, 50)
	change(t, db, `analyze messages`)
	for index, run := range map[string]func(context.Context, reader) error{
		"messages_of_user": func(ctx context.Context, db reader) error {
			_, err := list(ctx, db, alice.ID, false, ID{shop.NewID()}, 21)
			return err
		},
		"messages_unread": func(ctx context.Context, db reader) error { _, err := countUnread(ctx, db, alice.ID); return err },
	} {
		var plan strings.Builder
		if err := run(t.Context(), explaining{db, &plan}); err == nil && plan.Len() == 0 {
			t.Fatalf("%s: nothing was asked", index)
		}
		if !strings.Contains(plan.String(), index) || strings.Contains(plan.String(), "Seq Scan") {
			t.Errorf("without %s:\n%s", index, plan.String())
		}
	}
}

type reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// explaining answers with the plan instead of the rows, and keeps it.
type explaining struct {
	db   *pgxpool.Pool
	plan *strings.Builder
}

func (e explaining) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := e.db.Query(ctx, `explain `+sql, args...)
	if err != nil {
		return nil, err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	e.plan.WriteString(strings.Join(lines, "\n"))
	if err != nil {
		return nil, err
	}
	return e.db.Query(ctx, sql, args...)
}
