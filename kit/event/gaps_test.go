package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

// TestDetectGaps: the broker delivers three of five events; the others are handled once, when the broker can no longer
// deliver them.
func TestDetectGaps(t *testing.T) {
	at, of := kittest.DB(t, event.Migrations), event.NewOutbox(kittest.DB(t, event.Migrations))
	publisher, consumer := web.New("orders", web.Config{}), web.New("notifications", web.Config{})
	event.ReplayRoute(publisher, "orders", of.Pool)
	handled, failure := map[string]int{}, error(nil)
	hub := event.NewHub(consumer, "notifications", event.NewOutbox(at))
	event.On(hub, func(_ context.Context, _ event.TX, e shop.OrderCancelled) error {
		if failure != nil && e.Reason == "2" {
			return failure
		}
		handled[e.Reason]++
		return nil
	})
	detect := func(want error) {
		t.Helper()
		err := hub.DetectGaps(t.Context(), invokeApp(t, publisher), sidecar.Endpoint{App: "orders", Method: "POST", Path: event.ReplayPath})
		if !errors.Is(err, want) {
			t.Errorf("detect gaps: %v, want %v", err, want)
		}
	}

	var mu sync.Mutex
	var published [][]byte
	ctx, stop := context.WithCancel(t.Context())
	var relay sync.WaitGroup
	relay.Go(func() {
		_ = event.Relay(ctx, of, "orders", func(_ context.Context, _ string, envelope []byte) error {
			mu.Lock()
			defer mu.Unlock()
			published = append(published, envelope)
			return nil
		}, true)
	})
	defer relay.Wait()
	defer stop()
	order := shop.OrderID{UUID: shop.NewID()}
	for n := range 5 {
		emit(t, of, order, fmt.Sprint(n))
	}
	waitPublished(t, of, 5)
	for n, envelope := range published {
		if n != 2 && n != 4 {
			kittest.Do(t, consumer, kittest.Call{Do: "POST /events/orders.cancelled", Body: string(envelope)})
		}
	}

	detect(nil)
	if len(handled) != 3 {
		t.Errorf("events that the broker may still deliver were handled: %v", handled)
	}
	age(t, of, time.Minute)
	failure = errors.New("not now")
	detect(failure)
	if handled["4"] != 1 || handled["2"] != 0 {
		t.Errorf("a failing event holds up another: %v", handled)
	}
	failure = nil
	for range 2 {
		detect(nil)
	}
	for n := range 5 {
		if got := handled[fmt.Sprint(n)]; got != 1 {
			t.Errorf("event %d was handled %d times", n, got)
		}
	}

	// An event that can never be handled becomes a dead letter and does not hold up the rest.
	emit(t, of, order, "2")
	waitPublished(t, of, 6)
	age(t, of, time.Minute)
	failure = fault.New(fault.Invalid, "poison", "it makes no sense")
	detect(nil)
	_, letters := kittest.Do(t, consumer, kittest.Call{Do: "GET /dead-letters"})
	if stored := kittest.Field[[]event.DeadLetter](t, letters, "items"); len(stored) != 1 || stored[0].Topic != "orders.cancelled" {
		t.Errorf("dead letters: %s", letters)
	}
}

// TestPublishedEventsAreDeleted after an hour, and immediately by a service whose events no consumer records.
func TestPublishedEventsAreDeleted(t *testing.T) {
	for keep, want := range map[bool]int{true: 1, false: 0} {
		db := event.NewOutbox(kittest.DB(t, event.Migrations))
		emit(t, db, shop.OrderID{UUID: shop.NewID()}, "old")
		b := &broker{}
		run := func() {
			ctx, stop := context.WithCancel(t.Context())
			var relay sync.WaitGroup
			relay.Go(func() { _ = event.Relay(ctx, db, "orders", b.publish, keep) })
			kittest.Eventually(t, 10*time.Second, func() error {
				var left int
				if err := db.QueryRow(t.Context(), `select count(*) from outbox`).Scan(&left); err != nil || left > 0 {
					return fmt.Errorf("%d wait, %w", left, err)
				}
				return nil
			})
			stop()
			relay.Wait()
			if err := event.Prune(t.Context(), db.Pool); err != nil {
				t.Fatal(err)
			}
		}
		run()
		count := func() (n int) {
			if err := db.QueryRow(t.Context(), `select count(*) from published`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if got := count(); got != want {
			t.Errorf("%d published events, want %d", got, want)
		}
		age(t, db, 2*event.Retention)
		emit(t, db, shop.OrderID{UUID: shop.NewID()}, "new")
		run()
		if got := count(); got != want {
			t.Errorf("%d published events an hour later, want %d", got, want)
		}
	}
}

// age makes all published events older.
func age(t *testing.T, db *event.Outbox, by time.Duration) {
	t.Helper()
	if _, err := db.Exec(t.Context(), `update published set published_at = published_at - $1::interval`, by); err != nil {
		t.Fatal(err)
	}
}

// invokeApp invokes routes of an app in this process, without sidecars.
func invokeApp(t *testing.T, app *web.App) sidecar.Invoke {
	return func(_ context.Context, to sidecar.Endpoint, in, out any) error {
		body, err := json.Marshal(in)
		if err != nil {
			return err
		}
		status, response := kittest.Do(t, app, kittest.Call{Do: to.Method + " " + to.Path, Body: string(body)})
		if status != 200 {
			return fmt.Errorf("%d: %s", status, response)
		}
		return json.Unmarshal(response, out)
	}
}

func waitPublished(t *testing.T, db *event.Outbox, want int) {
	t.Helper()
	kittest.Eventually(t, 10*time.Second, func() error {
		var n int
		if err := db.QueryRow(t.Context(), `select count(*) from published`).Scan(&n); err != nil || n != want {
			return fmt.Errorf("%d are published, %w", n, err)
		}
		return nil
	})
}
