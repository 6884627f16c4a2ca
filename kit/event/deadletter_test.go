package event_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/telemetry"
	"sidecart/kit/web"
)

// TestDeadLetters follows an event from its failures to its replay.
func TestDeadLetters(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	app := web.New("notifications", web.Config{})
	handled, failure := 0, error(nil)
	event.On(event.NewHub(app, "notifications", db), func(context.Context, event.TX, shop.OrderCancelled) error {
		if failure == nil {
			handled++
		}
		return failure
	})
	const first, second, foreign = "0192f0c1-2d3e-7abc-8def-000000000001", "0192f0c1-2d3e-7abc-8def-000000000002", "0192f0c1-2d3e-7abc-8def-000000000003"
	failure = errors.New("a bug in the handler")
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "fails", Do: "POST /events/orders.cancelled", Body: delivery(first, "x"), Want: 200, Has: []string{"RETRY"}},
		{Name: "fails again", Do: "POST /events/orders.cancelled", Body: delivery(first, "x"), Want: 200, Has: []string{"RETRY"}},
		{Name: "becomes a dead letter", Do: "POST /events/dead", Body: delivery(first, "x"), Want: 200, Has: []string{"SUCCESS"}},
		{Name: "another one, too", Do: "POST /events/dead", Body: delivery(second, "x"), Want: 200, Has: []string{"SUCCESS"}},
		{Name: "one of an unknown topic", Do: "POST /events/dead", Body: fmt.Sprintf(`{"id":%q,"type":"orders.unknown","data":{}}`, foreign), Want: 200, Has: []string{"SUCCESS"}},
		{Name: "listed with the reason", Do: "GET /dead-letters?limit=1", Want: 200, Has: []string{first, `"reason":"a bug in the handler"`, `"attempts":2`, `"reason":"x"`}},
		{Name: "replayed too early", Do: "POST /dead-letters/" + first + "/replay", Want: 500},
		{Name: "stays", Do: "GET /dead-letters?limit=1", Want: 200, Has: []string{first, `"attempts":3`}},
	})
	failure = nil
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "replayed", Do: "POST /dead-letters/" + first + "/replay", Want: 204},
		{Name: "deleted", Do: "POST /dead-letters/" + first + "/replay", Want: 404, Has: []string{"dead_letter_not_found"}},
		{Name: "a late delivery changes nothing", Do: "POST /events/orders.cancelled", Body: delivery(first, "x"), Want: 200, Has: []string{"SUCCESS"}},
		{Name: "a topic that is not consumed", Do: "POST /dead-letters/" + foreign + "/replay", Want: 409, Has: []string{"dead_letter_not_consumed"}},
		{Name: "discarded", Do: "DELETE /dead-letters/" + foreign, Want: 204},
		{Name: "discarded again", Do: "DELETE /dead-letters/" + foreign, Want: 404},
		{Name: "the rest", Do: "GET /dead-letters", Want: 200, Has: []string{second, `"next_cursor":null`}},
	})
	if handled != 1 {
		t.Errorf("handled %d times", handled)
	}
}

// TestDeadLettersPageByPage lists more dead letters than a page holds.
func TestDeadLettersPageByPage(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	app := web.New("notifications", web.Config{})
	event.NewHub(app, "notifications", db)
	for n := range 5 {
		kittest.Do(t, app, kittest.Call{Do: "POST /events/dead", Body: delivery(fmt.Sprintf("0192f0c1-2d3e-7abc-8def-00000000000%d", n+1), "x")})
	}
	seen, path := 0, "/dead-letters?limit=2"
	for path != "" {
		_, body := kittest.Do(t, app, kittest.Call{Do: "GET " + path})
		seen += len(kittest.Field[[]event.DeadLetter](t, body, "items"))
		next := kittest.Field[*string](t, body, "next_cursor")
		path = ""
		if next != nil {
			path = "/dead-letters?limit=2&cursor=" + *next
		}
	}
	if seen != 5 {
		t.Errorf("%d of 5 seen", seen)
	}
}

func TestANewerSchemaWaitsForANewerRelease(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	app := web.New("notifications", web.Config{})
	handled := 0
	event.On(event.NewHub(app, "notifications", db), func(context.Context, event.TX, shop.OrderCancelled) error {
		handled++
		return nil
	})
	with := func(schema string) string {
		return strings.Replace(delivery(shop.NewID().String(), "x"), `"data":`, `"dataschema":"`+schema+`","data":`, 1)
	}
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "current version", Do: "POST /events/orders.cancelled", Body: with("urn:sidecart:event:orders.cancelled:1"), Want: 200, Has: []string{"SUCCESS"}},
		{Name: "without a version", Do: "POST /events/orders.cancelled", Body: delivery(shop.NewID().String(), "x"), Want: 200, Has: []string{"SUCCESS"}},
		{Name: "newer version", Do: "POST /events/orders.cancelled", Body: with("urn:sidecart:event:orders.cancelled:2"), Want: 200, Has: []string{"RETRY"}},
	})
	if handled != 2 {
		t.Errorf("handled %d times", handled)
	}
}

func TestSubscribingTwicePanics(t *testing.T) {
	hub := event.NewHub(web.New("notifications", web.Config{}), "notifications", event.NewOutbox(kittest.DB(t, event.Migrations)))
	subscribe := func() {
		event.OnIdempotent(hub, func(context.Context, shop.OrderCancelled) error { return fault.ErrUnavailable })
	}
	subscribe()
	defer func() {
		if recover() == nil {
			t.Error("a second handler of the same event was accepted")
		}
	}()
	subscribe()
}

func TestPruning(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	if _, err := db.Exec(t.Context(), `
		insert into inbox (event_id, topic, handled_at) select gen_random_uuid(), 'old', now() - interval '15 days' from generate_series(1, 12000);
		insert into inbox (event_id, topic, handled_at) select gen_random_uuid(), 'new', now() - interval '13 days' from generate_series(1, 10);
		insert into failures (event_id, topic, reason, failed_at) values (gen_random_uuid(), 'old', '', now() - interval '15 days')`); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := event.Prune(t.Context(), db.Pool); err != nil {
			t.Fatal(err)
		}
	}
	var remaining, failures int
	if err := db.QueryRow(t.Context(), `select count(*), (select count(*) from failures) from inbox`).Scan(&remaining, &failures); err != nil || remaining != 10 || failures != 0 {
		t.Errorf("%d inbox rows and %d failures remain, %v", remaining, failures, err)
	}
	if _, err := db.Exec(t.Context(), `update inbox set handled_at = now() - interval '15 days'; drop table published`); err != nil {
		t.Fatal(err)
	}
	if err := event.Prune(t.Context(), db.Pool); err == nil {
		t.Error("the failed deletion is not reported")
	}
	if err := db.QueryRow(t.Context(), `select count(*) from inbox`).Scan(&remaining); err != nil || remaining != 0 {
		t.Errorf("after one failed deletion the others were not made: %d rows, %v", remaining, err)
	}
}

// TestLag: the metrics show how many events wait.
func TestLag(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	stop, err := telemetry.Start(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	b := &broker{down: true}
	ctx, end := context.WithCancel(t.Context())
	relay := make(chan struct{})
	go func() { _ = event.Relay(ctx, db, "orders", b.publish, true); close(relay) }()
	defer func() { end(); <-relay }()
	for range 3 {
		emit(t, db, shop.OrderID{UUID: shop.NewID()}, "x")
	}
	if _, err := db.Exec(t.Context(), `update outbox set emitted_at = now() - interval '90 seconds'`); err != nil {
		t.Fatal(err)
	}
	app := web.New("orders", web.Config{})
	for _, want := range []string{"outbox_events", "outbox_age_seconds", "outbox_failing_keys", "dead_letters"} {
		kittest.Eventually(t, 5*time.Second, func() error {
			_, body := kittest.Do(t, app, kittest.Call{Do: "GET /metrics"})
			for line := range strings.Lines(string(body)) {
				if !strings.HasPrefix(line, want) {
					continue
				}
				value := strings.TrimSpace(line[strings.LastIndex(line, " "):])
				switch {
				case want == "outbox_events" && value != "3", want == "outbox_failing_keys" && value != "3", want == "outbox_age_seconds" && !strings.HasPrefix(value, "9"), want == "dead_letters" && value != "0":
					return fmt.Errorf("%s", line)
				}
				return nil
			}
			return fmt.Errorf("no %s", want)
		})
	}
}
