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
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func database(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return kittest.DB(t, Migrations, contact.Migrations, preference.Migrations, template.Migrations)
}

func newUser(t *testing.T, db *pgxpool.Pool, name string) shop.UserID {
	t.Helper()
	user := shop.UserID{UUID: shop.NewID()}
	inTx(t, db, func(tx pgx.Tx) error {
		return contact.Register(t.Context(), tx, contact.Contact{UserID: user, Email: name + "@example.com", Username: name})
	})
	return user
}

func inTx(t *testing.T, db *pgxpool.Pool, fn func(tx pgx.Tx) error) {
	t.Helper()
	if err := pgx.BeginFunc(t.Context(), db, fn); err != nil {
		t.Fatal(err)
	}
}

func enqueue(t *testing.T, db *pgxpool.Pool, user shop.UserID, kindName, number string) {
	t.Helper()
	inTx(t, db, func(tx pgx.Tx) error {
		wants, err := preference.Get(t.Context(), tx, user)
		if err != nil {
			return err
		}
		d := Job{NotificationID: uuid.New(), UserID: user, Kind: kindName, Variables: template.Variables{Number: number, Name: "Ada", Product: number, Title: number, Text: number}}
		return Enqueue(t.Context(), tx, Request{d, wants, false})
	})
}

type fakeProvider struct {
	mu      sync.Mutex
	sent    []Message
	failure func(Message) error
}

func (p *fakeProvider) send(_ context.Context, l Message) (string, error) {
	p.mu.Lock()
	fails := p.failure
	p.mu.Unlock()
	if fails != nil {
		if err := fails(l); err != nil {
			return "", err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, l)
	return "taken", nil
}

func (p *fakeProvider) failWith(fails func(Message) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failure = fails
}

func (p *fakeProvider) messages() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sent)
}

func (p *fakeProvider) await(t *testing.T, letters int) []Message {
	t.Helper()
	kittest.Eventually(t, 20*time.Second, func() error {
		if n := len(p.messages()); n < letters {
			return fmt.Errorf("%d letters, want %d", n, letters)
		}
		return nil
	})
	return p.messages()
}

var unsubscribeTokens = preference.NewUnsubscribeTokens("key")

func noToken(context.Context, uuid.UUID) (string, error) { return "", errors.New("nobody asks") }

func runWorker(t *testing.T, db *pgxpool.Pool, box *fakeProvider, token FetchToken) (stop func()) {
	t.Helper()
	engine := NewWorker(db, NewRenderer(db, "https://shop.example.com/", unsubscribeTokens, NewTrackingTokens("key"), token).Render,
		map[kind.Channel]Provider{kind.Email: {Name: "postbox", Send: box.send, Concurrency: 4, PerSecond: 10_000}})
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { _ = engine.Run(ctx) })
	stop = func() { cancel(); work.Wait() }
	t.Cleanup(stop)
	return stop
}

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

func awaitState(t *testing.T, db *pgxpool.Pool, begins string, n int) {
	t.Helper()
	kittest.Eventually(t, time.Minute, func() error {
		found := 0
		for state, count := range states(t, db) {
			if strings.HasPrefix(state, begins) {
				found += count
			}
		}
		if found != n {
			return fmt.Errorf("%v, want %d %s", states(t, db), n, begins)
		}
		return nil
	})
}

func ptr[T any](v T) *T { return &v }
