package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/telemetry"
	"sidecart/kit/web"
)

// broker is a fake of the sidecar at the edge of the process.
type broker struct {
	mu       sync.Mutex
	got      []string // "key reason", as published
	envelope []byte
	down     bool
	slow     bool
	refused  string // what events begin with that are never taken
}

func (b *broker) publish(_ context.Context, topic string, envelope []byte) error {
	if b.slow {
		<-time.After(rand.N(2 * time.Millisecond)) // so that replicas overlap
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return errors.New("the broker is down")
	}
	var e struct {
		Subject string
		Data    struct{ Reason string }
	}
	if err := json.Unmarshal(envelope, &e); err != nil {
		return err
	}
	if topic != "orders.cancelled" {
		return fmt.Errorf("topic %s", topic)
	}
	if b.refused != "" && strings.HasPrefix(e.Data.Reason, b.refused) {
		return errors.New("the broker refuses this event")
	}
	b.got, b.envelope = append(b.got, e.Subject+" "+e.Data.Reason), envelope
	return nil
}

func (b *broker) setDown(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

func (b *broker) refuse(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused = reason
}

func (b *broker) seen() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

func emit(t *testing.T, db *event.Outbox, order shop.OrderID, reason string) {
	t.Helper()
	err := db.Tx(t.Context(), func(tx event.TX) error {
		return event.Emit(t.Context(), tx, shop.OrderCancelled{OrderID: order, Reason: reason})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRelayPublishesEachOnceAndInOrderWithThreeReplicas(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	b := &broker{slow: true}
	ctx, stop := context.WithCancel(t.Context())
	var replicas sync.WaitGroup
	for range 3 {
		replicas.Go(func() { _ = event.Relay(ctx, db, "orders", b.publish, true) })
	}
	t.Cleanup(func() { stop(); replicas.Wait() })
	const orders, each = 20, 25
	var emitters sync.WaitGroup
	for range orders {
		order := shop.OrderID{UUID: shop.NewID()}
		emitters.Go(func() {
			for n := range each {
				emit(t, db, order, fmt.Sprintf("%03d", n))
			}
		})
	}
	emitters.Wait()
	kittest.Eventually(t, 20*time.Second, func() error {
		if n := len(b.seen()); n < orders*each {
			return fmt.Errorf("%d published", n)
		}
		return nil
	})
	last := map[string]string{}
	for _, line := range b.seen() {
		key, n, _ := strings.Cut(line, " ")
		if n <= last[key] {
			t.Fatalf("%s: %s after %s", key, n, last[key])
		}
		last[key] = n
	}
	kittest.Eventually(t, 5*time.Second, func() error {
		var left int
		if err := db.QueryRow(t.Context(), `select count(*) from outbox`).Scan(&left); err != nil || left > 0 {
			return fmt.Errorf("%d left, %w", left, err)
		}
		return nil
	})
}

func TestEventsWaitWhileTheBrokerIsUnavailable(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	b := &broker{down: true}
	ctx, stop := context.WithCancel(t.Context())
	var relay sync.WaitGroup
	relay.Go(func() { _ = event.Relay(ctx, db, "orders", b.publish, true) })
	t.Cleanup(func() { stop(); relay.Wait() })
	order := shop.OrderID{UUID: shop.NewID()}
	emit(t, db, order, "1")
	emit(t, db, order, "2")
	b.setDown(false)
	kittest.Eventually(t, 15*time.Second, func() error {
		if got := b.seen(); len(got) != 2 || !strings.HasSuffix(got[1], "2") {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	for _, part := range []string{`"specversion":"1.0"`, `"dataschema":"urn:sidecart:event:orders.cancelled:1"`, `"source":"orders"`, `"type":"orders.cancelled"`, order.String()} {
		if !strings.Contains(string(b.envelope), part) {
			t.Errorf("no %s in %s", part, b.envelope)
		}
	}
}

func TestEmitIsPartOfTheTransaction(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	failed := errors.New("and then it failed")
	err := db.Tx(t.Context(), func(tx event.TX) error {
		if err := event.Emit(t.Context(), tx, shop.OrderCancelled{}); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if topics := kittest.Emitted(t, db.Pool); len(topics) > 0 {
		t.Errorf("emitted by a rolled-back transaction: %v", topics)
	}
}

func delivery(id, reason string) string {
	return fmt.Sprintf(`{"id":%q,"type":"orders.cancelled","topic":"orders.cancelled","data":{"order_id":"0192f0c1-2d3e-7abc-8def-0123456789ab","reason":%q}}`, id, reason)
}

func TestHub(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	app := web.New("notifications", web.Config{})
	hub := event.NewHub(app, "notifications", db)
	handled, failure := 0, error(nil)
	event.On(hub, func(_ context.Context, _ event.TX, e shop.OrderCancelled) error {
		if failure == nil && e.Reason == "late" {
			handled++
		}
		return failure
	})
	const id = "0192f0c1-2d3e-7abc-8def-000000000001"
	again, poison := fault.ErrUnavailable, fault.New(fault.NotFound, "deleted", "deleted")
	for _, step := range []struct {
		name, body, want string
		failure          error
		handled          int
	}{
		{"a failure for now", delivery(id, "late"), "RETRY", again, 0},
		{"a bug", delivery(id, "late"), "RETRY", errors.New("bug"), 0},
		{"handled", delivery(id, "late"), "SUCCESS", nil, 1},
		{"handled again", delivery(id, "late"), "SUCCESS", nil, 1},
		{"poison", delivery("0192f0c1-2d3e-7abc-8def-000000000002", "x"), "DROP", poison, 1},
		{"not an event", `{`, "DROP", nil, 1},
		{"without an id", `{"data":{"order_id":5,"reason":"late"}}`, "DROP", nil, 1},
		{"not its data", `{"id":"` + id + `","data":{"order_id":5}}`, "DROP", nil, 1},
	} {
		failure = step.failure
		status, body := kittest.Do(t, app, kittest.Call{Do: "POST /events/orders.cancelled", Body: step.body})
		if status != 200 || !strings.Contains(string(body), step.want) || handled != step.handled {
			t.Errorf("%s: %d %s, handled %d", step.name, status, body, handled)
		}
	}
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "subscriptions", Do: "GET /dapr/subscribe", Want: 200, Has: []string{`"topic":"orders.cancelled"`, `"route":"/events/orders.cancelled"`, `"deadLetterTopic":"notifications.dead"`, `"topic":"notifications.dead"`}},
		{Name: "a dead letter is stored", Do: "POST /events/dead", Body: delivery(id, "late"), Want: 200, Has: []string{"SUCCESS"}},
		{Name: "stored once", Do: "POST /events/dead", Body: delivery(id, "late"), Want: 200, Has: []string{"SUCCESS"}},
		{Name: "with an id that is no UUID", Do: "POST /events/dead", Body: `{"id":"7","type":"other"}`, Want: 200, Has: []string{"SUCCESS"}},
		{Name: "delivered again", Do: "POST /events/dead", Body: `{"id":"7","type":"other"}`, Want: 200, Has: []string{"SUCCESS"}},
		{Name: "with a body that is not JSON", Do: "POST /events/dead", Body: "\x00\xff{", Want: 200, Has: []string{"SUCCESS"}},
	})
	rows, err := db.Query(t.Context(), `select topic from dead_letters order by topic`)
	if err != nil {
		t.Fatal(err)
	}
	letters, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || !slices.Equal(letters, []string{"", "orders.cancelled", "other"}) {
		t.Errorf("stored: %q, %v", letters, err)
	}
}

func TestAnEventCarriesItsTracePastTheSidecars(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	otel.SetTextMapPropagator(propagation.TraceContext{})
	ctx := telemetry.WithTraceParent(t.Context(), parent)
	err := db.Tx(ctx, func(tx event.TX) error { return event.Emit(ctx, tx, shop.OrderCancelled{}) })
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{}
	relay, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = event.Relay(relay, db, "orders", b.publish, true) })
	t.Cleanup(func() { stop(); running.Wait() })
	kittest.Eventually(t, 10*time.Second, func() error {
		if len(b.seen()) == 0 {
			return errors.New("nothing is published")
		}
		return nil
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range []string{"traceparent", "traceid"} { // a sidecar overwrites both where traceid is missing
		if want := fmt.Sprintf("%q:%q", name, parent); !strings.Contains(string(b.envelope), want) {
			t.Errorf("no %s in %s", want, b.envelope)
		}
	}
}

func TestConcurrentDeliveriesHaveOneEffect(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	app := web.New("notifications", web.Config{})
	hub := event.NewHub(app, "notifications", db)
	var mu sync.Mutex
	handled := 0
	event.On(hub, func(context.Context, event.TX, shop.OrderCancelled) error {
		mu.Lock()
		defer mu.Unlock()
		handled++
		return nil
	})
	var both sync.WaitGroup
	for range 8 {
		both.Go(func() {
			kittest.Do(t, app, kittest.Call{Do: "POST /events/orders.cancelled", Body: delivery("0192f0c1-2d3e-7abc-8def-000000000009", "x")})
		})
	}
	both.Wait()
	if handled != 1 {
		t.Errorf("handled %d times", handled)
	}
}
