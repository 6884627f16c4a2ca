package event

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/telemetry"
	"sidecart/kit/web"
)

// Hub is what a service hears: it tells the sidecar which topics, and takes what the sidecar brings.
type Hub struct {
	app    *web.App
	name   string
	db     *pgxpool.Pool
	topics []subscription
}

// subscription is what Dapr asks for at /dapr/subscribe.
type subscription struct {
	PubSub     string `json:"pubsubname"`
	Topic      string `json:"topic"`
	Route      string `json:"route"`
	DeadLetter string `json:"deadLetterTopic,omitempty"`
}

// NewHub opens the ears of a service on its app. What cannot be handled goes to the topic <service>.dead, and is kept
// in dead_letters from there.
func NewHub(app *web.App, service string, db *pgxpool.Pool) *Hub {
	h := &Hub{app: app, name: service, db: db}
	app.Get("/dapr/subscribe", func(c *fiber.Ctx) error { return c.JSON(h.topics) })
	h.topics = append(h.topics, subscription{PubSub: sidecar.PubSub, Topic: service + ".dead", Route: "/events/dead"})
	app.Post("/events/dead", h.keepDead)
	return h
}

// patience bounds the work on one delivery; it ends before the sidecar gives up on it (10 s) and delivers again.
const patience = 8 * time.Second

// Topics lists what the service hears, without its dead letters.
func (h *Hub) Topics() []string {
	var topics []string
	for _, s := range h.topics[1:] {
		topics = append(topics, s.Topic)
	}
	return topics
}

// On calls fn once for each event of type E: in a transaction that also records the event, so that a second delivery
// finds it there. fn fails with a fault that can be retried to hear the event again later.
func On[E shop.Event](h *Hub, fn func(ctx context.Context, tx pgx.Tx, e E) error) {
	hear(h, func(ctx context.Context, id uuid.UUID, e E) error {
		return pgx.BeginFunc(ctx, h.db, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, `
				insert into inbox (event_id, topic) values ($1, $2) on conflict do nothing`, id, e.Topic())
			if err != nil || tag.RowsAffected() == 0 {
				return err
			}
			return fn(ctx, tx, e)
		})
	})
}

// OnAgain calls fn at each delivery of an event of type E, outside any transaction: for what is remote, and therefore
// must be harmless when it is done again.
func OnAgain[E shop.Event](h *Hub, fn func(ctx context.Context, e E) error) {
	hear(h, func(ctx context.Context, _ uuid.UUID, e E) error { return fn(ctx, e) })
}

func hear[E shop.Event](h *Hub, fn func(ctx context.Context, id uuid.UUID, e E) error) {
	var zero E
	topic := zero.Topic()
	route := "/events/" + topic
	h.topics = append(h.topics, subscription{PubSub: sidecar.PubSub, Topic: topic, Route: route, DeadLetter: h.name + ".dead"})
	h.app.Post(route, func(c *fiber.Ctx) error {
		var envelope cloudEvent
		var e E
		if err := json.Unmarshal(c.Body(), &envelope); err != nil {
			return verdict(c, c.UserContext(), topic, fault.ErrMalformed.Because(err))
		}
		if envelope.ID == uuid.Nil {
			return verdict(c, c.UserContext(), topic, fault.ErrMalformed.Because(errors.New("the event has no id")))
		}
		ctx, cancel := context.WithTimeout(c.UserContext(), patience)
		defer cancel()
		if envelope.TraceParent != "" {
			ctx = telemetry.WithTraceParent(ctx, envelope.TraceParent)
		}
		ctx, span := otel.Tracer("sidecart/kit/event").Start(ctx, "hear "+topic, trace.WithSpanKind(trace.SpanKindConsumer))
		defer span.End()
		if err := json.Unmarshal(envelope.Data, &e); err != nil {
			return verdict(c, ctx, topic, fault.ErrMalformed.Because(err))
		}
		return verdict(c, ctx, topic, fn(ctx, envelope.ID, e))
	})
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

// keepDead keeps a dead letter where operators can read it, whatever it is. It answers RETRY while the database is away.
func (h *Hub) keepDead(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), patience)
	defer cancel()
	id, topic, letter := deadLetter(c.Body())
	_, err := h.db.Exec(ctx, `
		insert into dead_letters (event_id, topic, event) values ($1, $2, $3) on conflict do nothing`, id, topic, letter)
	return verdict(c, ctx, h.name+".dead", err)
}

// deadLetter reads what it can. What has no id of ours gets one made of its bytes, the same at each delivery, and what
// is not JSON becomes a JSON string.
func deadLetter(body []byte) (id uuid.UUID, topic string, letter json.RawMessage) {
	var envelope struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	}
	letter = json.RawMessage(body)
	if !json.Valid(body) || !utf8.Valid(body) {
		letter, _ = json.Marshal(strings.ToValidUTF8(string(body), "\uFFFD")) // text can always be marshalled
	}
	_ = json.Unmarshal(letter, &envelope) // what there is
	id, err := uuid.Parse(envelope.ID)
	if err != nil || id == uuid.Nil {
		id = uuid.NewSHA1(uuid.NameSpaceOID, body)
	}
	return id, envelope.Type, letter
}
