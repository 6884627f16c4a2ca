package event

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"sidecart/kit/crash"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/telemetry"
	"sidecart/kit/web"
)

// Hub is a service's event consumer: it declares subscriptions to the sidecar and handles deliveries.
type Hub struct {
	app      *web.App
	name     string
	db       *Outbox
	topics   []subscription
	handlers map[string]handler
	recorded []string // topics whose events the inbox records
}

// handler handles one CloudEvent in JSON.
type handler func(ctx context.Context, cloudEvent []byte) error

// subscription is an entry of the response to Dapr's GET /dapr/subscribe.
type subscription struct {
	PubSub     string `json:"pubsubname"`
	Topic      string `json:"topic"`
	Route      string `json:"route"`
	DeadLetter string `json:"deadLetterTopic,omitempty"`
}

// NewHub adds the subscription routes to a service's app. An event that cannot be handled goes to the topic
// <service>.dead and is stored as a dead letter, which operators can read and replay.
func NewHub(app *web.App, service string, outbox *Outbox) *Hub {
	h := &Hub{app: app, name: service, db: outbox, handlers: map[string]handler{}}
	app.Get("/dapr/subscribe", func(c *fiber.Ctx) error { return c.JSON(h.topics) })
	h.topics = append(h.topics, subscription{PubSub: sidecar.PubSub, Topic: service + ".dead", Route: "/events/dead"})
	h.deadLetterRoutes()
	return h
}

// handlerTimeout is shorter than the sidecar's timeout of a delivery (10 s), after which it delivers again.
const handlerTimeout = 8 * time.Second

// On calls fn once for each event of type E, in a transaction that also records the event in the inbox. If fn returns a
// retryable fault, the event is delivered again later.
func On[E shop.Event](h *Hub, fn func(ctx context.Context, tx TX, e E) error) {
	consumeOnce(h, func(ctx context.Context, tx TX, _ uuid.UUID, e E) error { return fn(ctx, tx, e) })
}

// OnWithID is On for handlers that keep the newest state: events of one topic may arrive in any order, days late after
// a failure. An event's id is a UUIDv7 from the time of Emit, so of two events that were emitted under one lock the one
// with the greater id is newer. This relies on clocks of replicas that differ by less than the time between two
// changes.
func OnWithID[E shop.Event](h *Hub, fn func(ctx context.Context, tx TX, id uuid.UUID, e E) error) {
	consumeOnce(h, fn)
}

func consumeOnce[E shop.Event](h *Hub, fn func(ctx context.Context, tx TX, id uuid.UUID, e E) error) {
	var zero E
	h.recorded = append(h.recorded, zero.Topic())
	consume(h, func(ctx context.Context, id uuid.UUID, e E) error {
		return h.db.Tx(ctx, func(tx TX) error {
			tag, err := tx.Exec(ctx, `
				insert into inbox (event_id, topic) values ($1, $2) on conflict do nothing`, id, e.Topic())
			if err != nil || tag.RowsAffected() == 0 {
				return err
			}
			return fn(ctx, tx, id, e)
		})
	})
}

// OnIdempotent calls fn at each delivery of an event of type E, outside any transaction: for remote calls. fn must be
// idempotent.
func OnIdempotent[E shop.Event](h *Hub, fn func(ctx context.Context, e E) error) {
	consume(h, func(ctx context.Context, _ uuid.UUID, e E) error { return fn(ctx, e) })
}

// OnIdempotentRecorded is OnIdempotent and records handled events in the inbox, so that DetectGaps finds missed ones.
func OnIdempotentRecorded[E shop.Event](h *Hub, fn func(ctx context.Context, e E) error) {
	var zero E
	h.recorded = append(h.recorded, zero.Topic())
	consume(h, func(ctx context.Context, id uuid.UUID, e E) error {
		if err := fn(ctx, e); err != nil {
			return err
		}
		_, err := h.db.Exec(ctx, `insert into inbox (event_id, topic) values ($1, $2) on conflict do nothing`, id, e.Topic())
		return err
	})
}

// consume subscribes to the topic of E and adds the route of its deliveries.
func consume[E shop.Event](h *Hub, fn func(ctx context.Context, id uuid.UUID, e E) error) {
	var zero E
	topic := zero.Topic()
	if h.handlers[topic] != nil {
		panic("event: " + h.name + " subscribes to " + topic + " twice; one package subscribes and calls the other")
	}
	h.handlers[topic] = handlerOf(h, fn)
	route := "/events/" + topic
	h.topics = append(h.topics, subscription{PubSub: sidecar.PubSub, Topic: topic, Route: route, DeadLetter: h.name + ".dead"})
	h.app.Post(route, func(c *fiber.Ctx) error {
		ctx, cancel := context.WithTimeout(c.UserContext(), handlerTimeout)
		defer cancel()
		err := h.handlers[topic](ctx, c.Body())
		crash.At("consume: done")
		return verdict(c, ctx, topic, err)
	})
}

// handlerOf decodes a CloudEvent, continues its trace, calls fn and records a failure.
func handlerOf[E shop.Event](h *Hub, fn func(ctx context.Context, id uuid.UUID, e E) error) handler {
	return func(ctx context.Context, body []byte) (err error) {
		var envelope cloudEvent
		var e E
		if err := decode(body, &envelope); err != nil {
			return err
		}
		if envelope.ID == uuid.Nil {
			return fault.ErrMalformed.Wrap(errors.New("the event has no id"))
		}
		if envelope.TraceParent != "" {
			ctx = telemetry.WithTraceParent(ctx, envelope.TraceParent)
		}
		topic := e.Topic()
		ctx, span := otel.Tracer("sidecart/kit/event").Start(ctx, "consume "+topic, trace.WithSpanKind(trace.SpanKindConsumer))
		defer span.End()
		defer func() {
			if err != nil {
				h.recordFailure(ctx, envelope.ID, topic, err)
			}
		}()
		if err := checkVersion(envelope, shop.Version(e)); err != nil {
			return err
		}
		if err := decode(envelope.Data, &e); err != nil {
			return err
		}
		return fn(ctx, envelope.ID, e)
	}
}

func decode(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fault.ErrMalformed.Wrap(err)
	}
	return nil
}

// errNewer is for an event of a newer release. A replica of that release can handle it, now or as a replayed dead
// letter.
var errNewer = fault.New(fault.Unavailable, "event_newer", "the event has a newer schema than this release supports")

// checkVersion fails with errNewer. An event without a schema has the first version.
func checkVersion(e cloudEvent, known int) error {
	_, text, found := strings.Cut(e.DataSchema, schemaOf(e.Type))
	if !found {
		return nil
	}
	if version, err := strconv.Atoi(text); err == nil && version > known {
		return errNewer
	}
	return nil
}

// verdict responds to the sidecar's delivery: SUCCESS, RETRY, or DROP to the dead letter topic.
func verdict(c *fiber.Ctx, ctx context.Context, topic string, err error) error { //nolint:revive // c is the response, ctx has the timeout
	status := "SUCCESS"
	if err != nil {
		status = "DROP"
		if fault.Of(err).Kind.Retryable() {
			status = "RETRY"
		}
		slog.ErrorContext(ctx, "event not handled", "topic", topic, "verdict", status, "err", err)
	}
	return c.JSON(map[string]string{"status": status})
}
