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

	"sidecart/kit/fault"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// DeadLetter is an event that its consumer could not handle.
type DeadLetter struct {
	EventID  uuid.UUID       `json:"event_id"`
	Topic    string          `json:"topic"`
	Event    json.RawMessage `json:"event"`    // the whole CloudEvent as it was delivered
	Reason   string          `json:"reason"`   // of the last failure; empty if none was recorded
	Attempts int             `json:"attempts"` // number of failed attempts
	DiedAt   time.Time       `json:"died_at"`
}

// The faults of dead letters.
var (
	ErrNoDeadLetter = fault.New(fault.NotFound, "dead_letter_not_found", "there is no such dead letter")
	ErrNotConsumed  = fault.New(fault.Conflict, "dead_letter_not_consumed",
		"this service does not consume this topic; discard the dead letter, or replay it after an update")
)

// deadLetterRoutes let operators list, replay and discard dead letters. They are not public: the gateway has no route
// to them, and a service's port requires its sidecar's token.
func (h *Hub) deadLetterRoutes() {
	h.app.Post("/events/dead", h.handleUndelivered)
	web.Handle(h.app, "GET /dead-letters", shop.Anyone, h.handleDeadLetters, web.Internal)
	web.Handle(h.app, "POST /dead-letters/{id}/replay", shop.Anyone, h.handleReplay, web.Internal, web.Fails(ErrNoDeadLetter, ErrNotConsumed))
	web.Handle(h.app, "DELETE /dead-letters/{id}", shop.Anyone, h.handleDiscard, web.Internal, web.Fails(ErrNoDeadLetter))
}

func (h *Hub) handleDeadLetters(ctx context.Context, _ shop.Caller, in web.PageQuery) (page web.Page[DeadLetter], err error) {
	var after deadLetterCursor
	if err := in.Cursor.Into(&after); err != nil {
		return page, err
	}
	letters, err := h.deadLetters(ctx, after, in.Limit+1)
	if err != nil {
		return page, err
	}
	return web.NewPage(letters, in, func(l DeadLetter) any { return deadLetterCursor{l.DiedAt, l.EventID} })
}

type deadLetterInput struct {
	ID uuid.UUID `path:"id" validate:"required"`
}

func (h *Hub) handleReplay(ctx context.Context, _ shop.Caller, in deadLetterInput) (web.None, error) {
	return web.None{}, h.Replay(ctx, in.ID)
}

func (h *Hub) handleDiscard(ctx context.Context, _ shop.Caller, in deadLetterInput) (web.None, error) {
	return web.None{}, h.discard(ctx, in.ID)
}

// Replay handles a dead letter in this service as if it were delivered now, and deletes it on success. An event that
// was handled meanwhile has no second effect. It fails with ErrNoDeadLetter, ErrNotConsumed or the handler's error; the
// dead letter then stays, with the new reason.
func (h *Hub) Replay(ctx context.Context, id uuid.UUID) error {
	l, err := h.deadLetter(ctx, id)
	if err != nil {
		return err
	}
	handle, ok := h.handlers[l.Topic]
	if !ok {
		return ErrNotConsumed
	}
	if err := handle(ctx, l.Event); err != nil {
		_, recordErr := h.db.Exec(ctx, `
			update dead_letters set reason = $2, attempts = attempts + 1 where event_id = $1`, id, reasonText(err))
		return errors.Join(err, recordErr)
	}
	slog.InfoContext(ctx, "dead letter replayed", "event_id", id, "topic", l.Topic)
	return h.discard(ctx, id)
}

// discard fails with ErrNoDeadLetter.
func (h *Hub) discard(ctx context.Context, id uuid.UUID) error {
	tag, err := h.db.Exec(ctx, `delete from dead_letters where event_id = $1`, id)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrNoDeadLetter
	}
	return err
}

// deadLetterCursor is a position in the list, which is ordered by time.
type deadLetterCursor struct {
	DiedAt  time.Time `json:"died_at"`
	EventID uuid.UUID `json:"event_id"`
}

func (h *Hub) deadLetters(ctx context.Context, after deadLetterCursor, limit int) ([]DeadLetter, error) {
	return postgres.All(ctx, h.db, pgx.RowToStructByName[DeadLetter], `
		select event_id, topic, event, reason, attempts, died_at from dead_letters
		where (died_at, event_id) > ($1, $2) order by died_at, event_id limit $3`, after.DiedAt, after.EventID, limit)
}

func (h *Hub) deadLetter(ctx context.Context, id uuid.UUID) (DeadLetter, error) {
	return postgres.One(ctx, h.db, ErrNoDeadLetter, pgx.RowToStructByName[DeadLetter], `
		select event_id, topic, event, reason, attempts, died_at from dead_letters where event_id = $1`, id)
}

// handleUndelivered stores whatever the dead letter topic delivers, with the reason that was recorded for it. It
// responds RETRY while the database is unavailable.
func (h *Hub) handleUndelivered(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), handlerTimeout)
	defer cancel()
	id, topic, event := decodeDeadLetter(c.Body())
	return verdict(c, ctx, h.name+".dead", h.storeDeadLetter(ctx, id, topic, event))
}

func (h *Hub) storeDeadLetter(ctx context.Context, id uuid.UUID, topic string, event json.RawMessage) error {
	_, err := h.db.Exec(ctx, `
		with failure as (delete from failures where event_id = $1 returning reason, attempts)
		insert into dead_letters (event_id, topic, event, reason, attempts)
		select $1, $2, $3, coalesce((select reason from failure), ''), coalesce((select attempts from failure), 0)
		on conflict do nothing`, id, topic, event)
	if err == nil {
		slog.ErrorContext(ctx, "dead letter stored; see make dead-letters", "event_id", id, "topic", topic)
	}
	return err
}

// recordFailure records why a delivery failed, for the dead letter that the event may become. A failure to record it is
// only logged.
func (h *Hub) recordFailure(ctx context.Context, id uuid.UUID, topic string, failure error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second) // the failure may be a timeout
	defer cancel()
	_, err := h.db.Exec(ctx, `
		insert into failures (event_id, topic, reason) values ($1, $2, $3)
		on conflict (event_id) do update set reason = excluded.reason, attempts = failures.attempts + 1, failed_at = now()`,
		id, topic, reasonText(failure))
	if err != nil {
		slog.WarnContext(ctx, "reason of a failed delivery not recorded", "topic", topic, "event_id", id, "err", err)
	}
}

// reasonText returns an error's text as at most 500 bytes of valid UTF-8 that Postgres can store.
func reasonText(err error) string {
	text := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "\uFFFD")
	if len(text) > 500 {
		text = strings.ToValidUTF8(text[:500], "")
	}
	return text
}

// decodeDeadLetter decodes as much as possible. A body without a UUID gets one derived from its bytes, the same at each
// delivery, and a body that is not JSON becomes a JSON string.
func decodeDeadLetter(body []byte) (id uuid.UUID, topic string, event json.RawMessage) {
	var envelope struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	}
	event = json.RawMessage(body)
	if !json.Valid(body) || !utf8.Valid(body) {
		event, _ = json.Marshal(strings.ToValidUTF8(string(body), "\uFFFD")) // a string can always be marshalled
	}
	_ = json.Unmarshal(event, &envelope) // as far as possible
	id, err := uuid.Parse(envelope.ID)
	if err != nil || id == uuid.Nil {
		id = uuid.NewSHA1(uuid.NameSpaceOID, body)
	}
	return id, strings.ReplaceAll(envelope.Type, "\x00", "\uFFFD"), event // a text of Postgres has no NUL
}
