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

// Hub is what a service hears: it tells the sidecar which topics, and takes what the sidecar brings.
type Hub struct {
	app      *web.App
	name     string
	db       *Outbox
	topics   []subscription
	handlers map[string]handler

	recorded []string // the topics whose events the inbox knows
}

// handler handles one CloudEvent, as JSON.
type handler func(ctx context.Context, cloudEvent []byte) error

// subscription is what Dapr asks for at /dapr/subscribe.
type subscription struct {
	PubSub     string `json:"pubsubname"`
	Topic      string `json:"topic"`
	Route      string `json:"route"`
	DeadLetter string `json:"deadLetterTopic,omitempty"`
}

// NewHub opens the ears of a service on its app. What cannot be handled goes to the topic <service>.dead, and is kept
// in dead_letters from there, where operators can read and replay it.
func NewHub(app *web.App, service string, outbox *Outbox) *Hub {
	h := &Hub{app: app, name: service, db: outbox, handlers: map[string]handler{}}
	app.Get("/dapr/subscribe", func(c *fiber.Ctx) error { return c.JSON(h.topics) })
	h.topics = append(h.topics, subscription{PubSub: sidecar.PubSub, Topic: service + ".dead", Route: "/events/dead"})
	h.deadRoutes()
	return h
}

// handlerTimeout bounds the work on one delivery; it ends before the sidecar gives up on it (10 s) and delivers again.
const handlerTimeout = 8 * time.Second

// On calls fn once for each event of type E: in a transaction that also records the event, so that a second delivery
// finds it there. fn fails with a fault that can be retried to hear the event again later.
func On[E shop.Event](h *Hub, fn func(ctx context.Context, tx TX, e E) error) {
	consumeOnce(h, func(ctx context.Context, tx TX, _ uuid.UUID, e E) error { return fn(ctx, tx, e) })
}

// OnWithID is On for a fn that keeps what an event says until a newer one says otherwise: events of one topic may come in any order,
// days late after a failure. An event's id is made where it is emitted, and later ones are greater (UUIDv7), so of two that
// were emitted under one lock the greater id is the newer event. Clocks of two replicas differ by less than people's changes.
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

// OnIdempotent calls fn at each delivery of an event of type E, outside any transaction: for what is remote, and therefore
// must be harmless when it is done again.
func OnIdempotent[E shop.Event](h *Hub, fn func(ctx context.Context, e E) error) {
	consume(h, func(ctx context.Context, _ uuid.UUID, e E) error { return fn(ctx, e) })
}

// OnIdempotentRecorded is OnIdempotent, and notes in the inbox what was done, so that what was never delivered is missed (see Compare).
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

func consume[E shop.Event](h *Hub, fn func(ctx context.Context, id uuid.UUID, e E) error) {
	var zero E
	topic := zero.Topic()
	if h.handlers[topic] != nil {
		panic("event: " + h.name + " hears " + topic + " twice: one of its nouns hears it and asks the other")
	}
	h.handlers[topic] = func(ctx context.Context, body []byte) (err error) {
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
		ctx, span := otel.Tracer("sidecart/kit/event").Start(ctx, "hear "+topic, trace.WithSpanKind(trace.SpanKindConsumer))
		defer span.End()
		defer func() {
			if err != nil {
				h.recordFailure(ctx, envelope.ID, topic, err)
			}
		}()
		if err := checkVersion(envelope, shop.Version(zero)); err != nil {
			return err
		}
		if err := decode(envelope.Data, &e); err != nil {
			return err
		}
		return fn(ctx, envelope.ID, e)
	}
	route := "/events/" + topic
	h.topics = append(h.topics, subscription{PubSub: sidecar.PubSub, Topic: topic, Route: route, DeadLetter: h.name + ".dead"})
	h.app.Post(route, func(c *fiber.Ctx) error {
		ctx, cancel := context.WithTimeout(c.UserContext(), handlerTimeout)
		defer cancel()
		err := h.handlers[topic](ctx, c.Body())
		crash.At("hear: done")
		return verdict(c, ctx, topic, err)
	})
}

func decode(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fault.ErrMalformed.Wrap(err)
	}
	return nil
}

// errNewer is for an event that a newer release tells: a replica of that release may understand it, now or when the dead
// letter is replayed.
var errNewer = fault.New(fault.Unavailable, "event_newer", "the event has a newer schema than this release knows")

// checkVersion fails with errNewer. An event without a schema is of the first version.
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

// verdict tells the sidecar what to do with a delivery: done, again later, or to the dead letters.
func verdict(c *fiber.Ctx, ctx context.Context, topic string, err error) error { //nolint:revive // Fiber's context is the response here
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
