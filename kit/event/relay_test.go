package event_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestFailingKeysDoNotBlockOthers: more failing keys than a batch holds come first, and all other keys are published,
// by two replicas, one of which is killed. Events behind a failing event of their key are published after it.
func TestFailingKeysDoNotBlockOthers(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	b := &broker{}
	order := func() shop.OrderID { return shop.OrderID{UUID: shop.NewID()} }
	first := order()
	b.refuse("bad")
	emit(t, db, first, "bad 000")
	for range 450 {
		emit(t, db, order(), "bad")
	}
	emit(t, db, first, "accepted 001")
	for range 300 {
		emit(t, db, order(), "accepted")
	}
	replica := func() (kill func()) {
		ctx, stop := context.WithCancel(t.Context())
		var relay sync.WaitGroup
		relay.Go(func() { _ = event.Relay(ctx, event.NewOutbox(db.Pool), "orders", b.publish, true) })
		kill = func() { stop(); relay.Wait() }
		t.Cleanup(kill)
		return kill
	}
	kill := replica()
	replica()
	published := func(want int) {
		t.Helper()
		kittest.Eventually(t, 30*time.Second, func() error {
			if got := len(distinct(b.seen())); got != want {
				return fmt.Errorf("%d published, want %d", got, want)
			}
			return nil
		})
	}
	published(300)
	kill()
	emit(t, db, order(), "accepted")
	published(301)
	for _, line := range b.seen() {
		if line == first.String()+" accepted 001" {
			t.Fatal("an event overtook one of its key that cannot be published")
		}
	}
	b.refuse("")
	published(301 + 452)
	last := ""
	for _, line := range distinct(b.seen()) {
		if line[:36] != first.String() {
			continue
		}
		if line[37:] == "accepted 001" && last != "bad 000" {
			t.Errorf("accepted 001 after %q", last)
		}
		last = line[37:]
	}
}

// distinct keeps each first occurrence: a replica that is killed after publishing leaves events that the other one
// publishes again, since delivery is at least once.
func distinct(published []string) (first []string) {
	seen := map[string]bool{}
	for _, line := range published {
		if !seen[line] {
			first = append(first, line)
		}
		seen[line] = true
	}
	return first
}

func emitMany[E shop.Event](t *testing.T, db *event.Outbox, count int, e func(order shop.OrderID) E) {
	t.Helper()
	many := make([]E, count)
	for n := range many {
		many[n] = e(shop.OrderID{UUID: shop.NewID()})
	}
	if err := db.Tx(t.Context(), func(tx event.TX) error { return event.EmitAll(t.Context(), tx, many) }); err != nil {
		t.Fatal(err)
	}
}

func paid(order shop.OrderID) shop.OrderPaid { return shop.OrderPaid{OrderID: order} }

// TestManyFailingKeysDoNotBlockOthers: the relay may not publish to a topic, so each order's key fails.
func TestManyFailingKeysDoNotBlockOthers(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	emitMany(t, db, 2500, func(order shop.OrderID) shop.OrderCancelled { return shop.OrderCancelled{OrderID: order} })
	emitMany(t, db, 100, paid)
	var published atomic.Int64
	publishBatch := event.Batches(db, func(_ context.Context, topic string, _ []byte) error {
		if topic == (shop.OrderCancelled{}).Topic() {
			return errors.New("not allowed")
		}
		published.Add(1)
		return nil
	})
	for range 20 {
		_, _ = publishBatch(t.Context()) // most fail
	}
	if got := published.Load(); got != 100 {
		t.Errorf("%d of 100 events behind failing keys are published", got)
	}
}

// TestABusyOutboxRetriesFailingKeys: every batch is full without them.
func TestABusyOutboxRetriesFailingKeys(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	b, failing := &broker{refused: "bad"}, shop.OrderID{UUID: shop.NewID()}
	emit(t, db, failing, "bad")
	publishBatch := event.Batches(db, func(ctx context.Context, topic string, envelope []byte) error {
		if topic == (shop.OrderPaid{}).Topic() {
			return nil
		}
		return b.publish(ctx, topic, envelope)
	})
	emitMany(t, db, 400, paid)
	for began := time.Now(); len(b.seen()) == 0; {
		emitMany(t, db, 200, paid)
		if more, err := publishBatch(t.Context()); err != nil || !more {
			t.Fatalf("more %v, %v", more, err)
		}
		b.refuse("")
		if time.Since(began) > 10*time.Second {
			t.Fatal("a failing key is never tried again")
		}
	}
}
