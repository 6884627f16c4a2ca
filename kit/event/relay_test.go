package event_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestEventsThatCannotBePublishedStepAside: more of them than a batch takes stand in front, and all others go out, by two
// replicas, one of which dies. What waits for a failing event of its key goes out after it, once it can.
func TestEventsThatCannotBePublishedStepAside(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	b := &broker{}
	order := func() shop.OrderID { return shop.OrderID{UUID: shop.NewID()} }
	first := order()
	b.refuse("bad")
	emit(t, db, first, "bad 000")
	for range 450 {
		emit(t, db, order(), "bad")
	}
	emit(t, db, first, "good 001")
	for range 300 {
		emit(t, db, order(), "good")
	}
	replica := func() (kill func()) {
		ctx, stop := context.WithCancel(t.Context())
		var relay sync.WaitGroup
		relay.Go(func() { _ = event.Relay(ctx, event.NewOutbox(db.Pool), "orders", b.publish, event.Kept) })
		kill = func() { stop(); relay.Wait() }
		t.Cleanup(kill)
		return kill
	}
	kill := replica()
	replica()
	published := func(want int) {
		t.Helper()
		kittest.Eventually(t, 30*time.Second, func() error {
			if got := len(b.seen()); got != want {
				return fmt.Errorf("%d published, want %d", got, want)
			}
			return nil
		})
	}
	published(300)
	kill()
	emit(t, db, order(), "good")
	published(301)
	for _, line := range b.seen() {
		if line == first.String()+" good 001" {
			t.Fatal("an event overtook one of its key that cannot be published")
		}
	}
	b.refuse("")
	published(301 + 452)
	last := ""
	for _, line := range b.seen() {
		if line[:36] != first.String() {
			continue
		}
		if line[37:] == "good 001" && last != "bad 000" {
			t.Errorf("good 001 after %q", last)
		}
		last = line[37:]
	}
}
