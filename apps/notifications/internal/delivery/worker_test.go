package delivery

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func TestThreeReplicasSendEachOnceAndInOrder(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	const users, each = 8, 15
	for p := range users {
		user := newUser(t, db, fmt.Sprintf("p%d", p))
		for n := range each {
			enqueue(t, db, user, kind.Paid, fmt.Sprintf("%03d", n))
		}
	}
	for range 3 {
		runWorker(t, db, provider, noToken)
	}
	awaitState(t, db, "sent", users*each)
	last := map[string]string{}
	for _, l := range provider.messages() {
		if l.Title <= last[l.To] {
			t.Errorf("%s got %q after %q", l.To, l.Title, last[l.To])
		}
		last[l.To] = l.Title
	}
	if n := len(provider.messages()); n != users*each {
		t.Errorf("%d messages, want %d", n, users*each)
	}
}

// TestClaimOfALongQueueIsFast checks that a claim reads about as many rows as it claims, also without statistics.
func TestClaimOfALongQueueIsFast(t *testing.T) {
	t.Parallel()
	db := database(t)
	_, err := db.Exec(t.Context(), `
		insert into deliveries (id, notification_id, user_id, kind, channel, priority, variables, due_at, give_up_at)
		select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'orders.paid', 'email', 1, '{}',
			now() - n * interval '1 second', now() + interval '1 day'
		from generate_series(1, 5000) n`)
	if err != nil {
		t.Fatal(err)
	}
	var plan []string
	inTx(t, db, func(tx pgx.Tx) error {
		if err := forceIndexScans(t.Context(), tx); err != nil {
			return err
		}
		_, err := claim(t.Context(), explaining{tx, &plan}, kind.Email, 8, true)
		return err
	})
	text := strings.Join(plan, "\n")
	for _, want := range []string{"deliveries_due", "deliveries_in_order"} {
		if !strings.Contains(text, want) {
			t.Errorf("without %s:\n%s", want, text)
		}
	}
	if regexp.MustCompile(`actual[^)]*rows=[1-9]\d{2}`).MatchString(text) {
		t.Errorf("it reads hundreds of rows:\n%s", text)
	}
}

// explaining runs a query twice: for its plan and for its rows.
type explaining struct {
	pgx.Tx
	plan *[]string
}

func (e explaining) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := e.Tx.Query(ctx, `explain (analyze, timing off) `+sql, args...)
	if err != nil {
		return nil, err
	}
	if *e.plan, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return nil, err
	}
	return e.Tx.Query(ctx, sql, args...)
}

func TestOutageLosesNothingAndKeepsOrder(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	user := newUser(t, db, "ada")
	provider.failWith(func(Message) error { return errors.New("connection refused") })
	for n := range 5 {
		enqueue(t, db, user, kind.Paid, fmt.Sprint(n))
	}
	runWorker(t, db, provider, noToken)
	kittest.Eventually(t, 10*time.Second, func() error {
		var failed int
		err := db.QueryRow(t.Context(), `
			select count(*) from attempts where outcome = 'failed' and response like '%connection refused%'`).Scan(&failed)
		if err != nil || failed < 2 {
			return fmt.Errorf("%d failed attempts, %w", failed, err)
		}
		return nil
	})
	provider.failWith(nil)
	for n, l := range provider.await(t, 5) {
		if want := fmt.Sprintf("Your order %d is paid", n); l.Title != want {
			t.Errorf("message %d is %q", n, l.Title)
		}
	}
	awaitState(t, db, "sent", 5)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	provider.failWith(func(m Message) error {
		switch {
		case strings.HasPrefix(m.To, "removed"):
			return fmt.Errorf("%w: 550 no such mailbox", ErrRefused)
		case strings.HasPrefix(m.To, "none"):
			return fmt.Errorf("%w: no component of that name", ErrNotConfigured)
		}
		return nil
	})
	enqueue(t, db, newUser(t, db, "removed"), kind.Paid, "1")
	enqueue(t, db, newUser(t, db, "none"), kind.Paid, "2")
	enqueue(t, db, newUser(t, db, "a;b"), kind.Paid, "3")
	noAddress := shop.UserID{UUID: shop.NewID()}
	inTx(t, db, func(tx pgx.Tx) error {
		return contact.Register(t.Context(), tx, contact.Contact{UserID: noAddress, Username: "nowhere"})
	})
	enqueue(t, db, noAddress, kind.Paid, "4")
	runWorker(t, db, provider, noToken)
	awaitState(t, db, "dead: refused: 550 no such mailbox", 1)
	awaitState(t, db, "skipped: not configured: no component", 1)
	awaitState(t, db, "dead: refused: invalid e-mail address", 1)
	awaitState(t, db, "skipped: obsolete: the user has no e-mail address", 1)
	if len(provider.messages()) != 0 {
		t.Errorf("sent %v", provider.messages())
	}

	provider.failWith(nil)
	var id ID
	if err := db.QueryRow(t.Context(), `select id from deliveries where reason like '%550%'`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	s := NewService(db, TrackingTokens{})
	if p, err := s.Retry(t.Context(), id); err != nil || p.State != StateWaiting {
		t.Fatalf("%+v %v", p, err)
	}
	awaitState(t, db, "sent", 1)
	for want, id := range map[error]ID{ErrNotDead: id, ErrNotFound: {uuid.New()}} {
		if _, err := s.Retry(t.Context(), id); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// TestCrashBeforeTheRecord: when the lease has ended, another worker sends the job, and records the unknown outcome.
func TestCrashBeforeTheRecord(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	enqueue(t, db, newUser(t, db, "ada"), kind.Paid, "1")
	inTx(t, db, func(tx pgx.Tx) error {
		claimed, err := claim(t.Context(), tx, kind.Email, 10, true)
		if len(claimed) != 1 {
			t.Errorf("claimed %v", claimed)
		}
		return err
	})
	runWorker(t, db, provider, noToken)
	enqueue(t, db, newUser(t, db, "bob"), kind.Paid, "2")
	if got := provider.await(t, 1); got[0].To != "bob@example.com" {
		t.Errorf("a leased job was sent: %v", got)
	}
	if _, err := db.Exec(t.Context(), `update deliveries set leased_until = now() where state = 'sending'`); err != nil {
		t.Fatal(err)
	}
	provider.await(t, 2)
	awaitState(t, db, "sent", 2)
	page, err := NewService(db, TrackingTokens{}).History(t.Context(), HistoryQuery{PageQuery: web.PageQuery{Limit: 10}, Outcome: "unknown"})
	if err != nil || len(page.Items) != 1 || page.Items[0].Number != 1 || page.Items[0].State != StateSent {
		t.Errorf("%+v %v", page, err)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	user, request := newUser(t, db, "ada"), uuid.New()
	var mu sync.Mutex
	var tokenError error = fault.New(fault.Conflict, "used", "used")
	token := func(_ context.Context, got uuid.UUID) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if got != request {
			t.Errorf("token for %s", got)
		}
		return "a+key", tokenError
	}
	mail := func(address string) {
		inTx(t, db, func(tx pgx.Tx) error {
			return enqueueJob(t.Context(), tx, Job{
				UserID: user, Kind: kind.Verification, Path: "/verify-email", RequestID: &request, Address: address,
			})
		})
	}
	mail("")
	runWorker(t, db, provider, token)
	awaitState(t, db, "skipped: obsolete: the link was used", 1)
	mu.Lock()
	tokenError = nil
	mu.Unlock()
	mail("new@example.com")
	got := provider.await(t, 1)[0]
	if !strings.Contains(got.HTML, `href="https://shop.example.com/verify-email?token=a%2Bkey"`) ||
		got.To != "new@example.com" || got.OneClick != "" {
		t.Errorf("%+v", got)
	}
	awaitState(t, db, "sent", 1)
	var stored string
	err := db.QueryRow(t.Context(), `select variables::text || path from deliveries where state = 'sent'`).Scan(&stored)
	if err != nil || strings.Contains(stored, "key") {
		t.Errorf("the token is in the database: %s %v", stored, err)
	}
}

func TestErasureEndsWaitingJobs(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	user := newUser(t, db, "ada")
	enqueue(t, db, user, kind.Paid, "1")
	inTx(t, db, func(tx pgx.Tx) error {
		return errors.Join(contact.Erase(t.Context(), tx, user), Purge(t.Context(), tx, user))
	})
	runWorker(t, db, provider, noToken)
	enqueue(t, db, newUser(t, db, "bob"), kind.Paid, "2")
	provider.await(t, 1)
	awaitState(t, db, "skipped: the account was erased", 1)
}
