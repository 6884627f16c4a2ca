package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/inbox"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func database(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return kittest.DB(t, Migrations, contact.Migrations, preference.Migrations, template.Migrations, inbox.Migrations)
}

// newUser registers a user with the address name@example.com, which is not verified.
func newUser(t *testing.T, db *pgxpool.Pool, name string) shop.UserID {
	t.Helper()
	user := shop.UserID{UUID: shop.NewID()}
	inTx(t, db, func(tx pgx.Tx) error {
		return contact.Register(t.Context(), tx, contact.Contact{UserID: user, Email: name + "@example.com", Username: name})
	})
	return user
}

// verifyAddress stores the address that a user verified last.
func verifyAddress(t *testing.T, db *pgxpool.Pool, user shop.UserID, address string) {
	t.Helper()
	inTx(t, db, func(tx pgx.Tx) error { return contact.Verify(t.Context(), tx, shop.NewID(), user, address) })
}

func inTx(t *testing.T, db *pgxpool.Pool, fn func(tx pgx.Tx) error) {
	t.Helper()
	if err := pgx.BeginFunc(t.Context(), db, fn); err != nil {
		t.Fatal(err)
	}
}

// enqueue enqueues a notification whose title has the number.
func enqueue(t *testing.T, db *pgxpool.Pool, user shop.UserID, kindName, number string) {
	t.Helper()
	inTx(t, db, func(tx pgx.Tx) error {
		return enqueueJob(t.Context(), tx, Job{UserID: user, Kind: kindName,
			Variables: template.Variables{Number: number, Name: "Ada", Product: number, Title: number, Text: number}})
	})
}

func enqueueJob(ctx context.Context, tx pgx.Tx, job Job) error {
	p, err := preference.Get(ctx, tx, job.UserID)
	if err != nil {
		return err
	}
	job.NotificationID = uuid.New()
	return Enqueue(ctx, tx, Request{job, p, false})
}

// fakeProvider is a provider at the edge of the process. It stores the messages for which failure returns no error.
type fakeProvider struct {
	mu       sync.Mutex
	accepted []Message
	failure  func(Message) error
}

func (p *fakeProvider) send(_ context.Context, m Message) (string, error) {
	p.mu.Lock()
	failure := p.failure
	p.mu.Unlock()
	if failure != nil {
		if err := failure(m); err != nil {
			return "", err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted = append(p.accepted, m)
	return "accepted", nil
}

func (p *fakeProvider) failWith(failure func(Message) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failure = failure
}

func (p *fakeProvider) messages() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.accepted)
}

func (p *fakeProvider) await(t *testing.T, want int) []Message {
	t.Helper()
	kittest.Eventually(t, 20*time.Second, func() error {
		if n := len(p.messages()); n < want {
			return fmt.Errorf("%d messages, want %d", n, want)
		}
		return nil
	})
	return p.messages()
}

var unsubscribeTokens = preference.NewUnsubscribeTokens("key")

func noToken(context.Context, uuid.UUID) (string, error) { return "", errors.New("not expected") }

// runWorker starts a worker for e-mail until the end of the test, or until stop.
func runWorker(t *testing.T, db *pgxpool.Pool, provider *fakeProvider, token FetchToken) (stop func()) {
	t.Helper()
	renderer := NewRenderer(db, "https://shop.example.com/", unsubscribeTokens, NewTrackingTokens("key"), token)
	worker := NewWorker(db, renderer.Render, map[kind.Channel]Provider{
		kind.Email: {Name: "fake", Send: provider.send, Concurrency: 4, PerSecond: 10_000},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { _ = worker.Run(ctx) })
	stop = func() { cancel(); work.Wait() }
	t.Cleanup(stop)
	return stop
}

// states counts deliveries by "state: reason".
func states(t *testing.T, db *pgxpool.Pool) map[string]int {
	t.Helper()
	rows, err := db.Query(t.Context(), `select state || case when reason = '' then '' else ': ' || reason end from deliveries`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, s := range all {
		counts[s]++
	}
	return counts
}

// awaitState waits for exactly n deliveries whose state and reason begin with prefix.
func awaitState(t *testing.T, db *pgxpool.Pool, prefix string, n int) {
	t.Helper()
	kittest.Eventually(t, time.Minute, func() error {
		found := 0
		for state, count := range states(t, db) {
			if strings.HasPrefix(state, prefix) {
				found += count
			}
		}
		if found != n {
			return fmt.Errorf("%v, want %d %s", states(t, db), n, prefix)
		}
		return nil
	})
}

func ptr[T any](v T) *T { return &v }
