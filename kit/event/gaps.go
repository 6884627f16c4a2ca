package event

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/fault"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

// deadAfter is how long an event that cannot be handled holds up the comparison before it is a dead letter.
const deadAfter = 5 * time.Minute

// DetectGaps compares the hub's inbox with what was published, and handles what is missing. The broker delivers at least
// once. But the sidecar can take a delivery that was cut off for one that was handled, because all requests to an app
// share one pipeline (Dapr 1.16.0 to 1.18.2; see Signature in kit/sidecar). Remove when they do not any more.
// publishers are the SentRoutes of other services, each of which answers with the topics that it publishes. Only what
// the inbox knows can be compared: On and OnIdempotentRecorded.
func (h *Hub) DetectGaps(ctx context.Context, invoke sidecar.Invoke, publishers ...sidecar.Endpoint) error {
	var errs []error
	for _, sent := range publishers {
		errs = append(errs, h.detectGaps(ctx, invoke, sent))
	}
	return errors.Join(errs...)
}

// detectGaps goes on from where it stopped, page by page. A page of which something could not be handled comes again.
func (h *Hub) detectGaps(ctx context.Context, invoke sidecar.Invoke, publisher sidecar.Endpoint) error {
	for {
		at, err := h.checkpoint(ctx, publisher.App)
		if err != nil {
			return err
		}
		var answer replayResponse
		if err := invoke(ctx, publisher, replayRequest{Topics: h.recorded, After: at}, &answer); err != nil {
			return err
		}
		if len(answer.Sent) == 0 {
			return nil
		}
		if err := h.handleMissing(ctx, answer.Sent, invoke, publisher); err != nil {
			return err
		}
		if err := h.saveCheckpoint(ctx, publisher.App, answer.Sent[len(answer.Sent)-1]); err != nil || len(answer.Sent) < positionPage {
			return err
		}
	}
}

func (h *Hub) handleMissing(ctx context.Context, all []position, invoke sidecar.Invoke, publisher sidecar.Endpoint) error {
	missing, err := h.missing(ctx, all)
	var errs []error
	for err == nil && len(missing) > 0 {
		some := missing[:min(replayBatch, len(missing))]
		missing = missing[len(some):]
		var answer replayResponse
		if err = invoke(ctx, publisher, replayRequest{Topics: h.recorded, IDs: some}, &answer); err != nil {
			break
		}
		for _, e := range answer.Events {
			errs = append(errs, h.handleMissed(ctx, e))
		}
	}
	return errors.Join(append(errs, err)...)
}

// handleMissed handles an event as if it were delivered. What cannot be handled becomes a dead letter, at once or after a
// while, as it would by the sidecar.
func (h *Hub) handleMissed(ctx context.Context, event json.RawMessage) error {
	var envelope cloudEvent
	if err := decode(event, &envelope); err != nil {
		return err
	}
	hear, ok := h.handlers[envelope.Type]
	if !ok {
		return nil // not ours any more
	}
	slog.WarnContext(ctx, "an event was published and never handled; it is handled now", "event_id", envelope.ID, "topic", envelope.Type)
	err := hear(ctx, event)
	if err != nil && (!fault.Of(err).Kind.Retryable() || time.Since(envelope.Time) > deadAfter) {
		return h.storeDeadLetter(ctx, envelope.ID, envelope.Type, event)
	}
	return err
}

// missing are those that are neither handled nor dead.
func (h *Hub) missing(ctx context.Context, all []position) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, len(all))
	for i, s := range all {
		ids[i] = s.ID
	}
	return postgres.All(ctx, h.db, pgx.RowTo[uuid.UUID], `
		select id from unnest($1::uuid[]) with ordinality as sent (id, n)
		where not exists (select from inbox where event_id = id) and not exists (select from dead_letters where event_id = id)
		order by n`, ids)
}

func (h *Hub) checkpoint(ctx context.Context, teller string) (at position, err error) {
	err = h.db.QueryRow(ctx, `select id, sent_at from compared where teller = $1`, teller).Scan(&at.ID, &at.SentAt)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return at, err
}

func (h *Hub) saveCheckpoint(ctx context.Context, teller string, at position) error {
	_, err := h.db.Exec(ctx, `
		insert into compared (teller, sent_at, id) values ($1, $2, $3)
		on conflict (teller) do update set sent_at = excluded.sent_at, id = excluded.id
		where (compared.sent_at, compared.id) < (excluded.sent_at, excluded.id)`, teller, at.SentAt, at.ID)
	return err
}

const (
	// Retention is how long a teller remembers what the broker has. A hearer that was away for longer relies on the broker alone.
	Retention = time.Hour
	// inFlight is how long after its publishing an event may still be on its way to whoever hears it.
	inFlight = 30 * time.Second
	// positionPage is how many events are listed by one answer, and parcel how many are handed over.
	positionPage, replayBatch = 1000, 50
)

// ReplayPath is the path of a publisher's ReplayRoute.
const ReplayPath = "/events/replay"

// ReplayRoute lets hearers ask a teller what the broker was given. What is theirs to hear is theirs to ask for; who that is
// says the access list.
func ReplayRoute(app *web.App, teller string, db *pgxpool.Pool) {
	web.Handle(app, "POST "+ReplayPath, shop.Anyone, func(ctx context.Context, _ shop.Caller, in replayRequest) (answer replayResponse, err error) {
		if len(in.IDs) > 0 {
			answer.Events, err = publishedEvents(ctx, db, teller, in)
		} else {
			answer.Sent, err = publishedAfter(ctx, db, in)
		}
		return answer, err
	}, web.Internal)
}

// replayRequest asks for the events of some ids, or else which came after another.
type replayRequest struct {
	Topics []string    `json:"topics" validate:"required,max=100,dive,max=100"`
	After  position    `json:"after"`
	IDs    []uuid.UUID `json:"ids" validate:"max=50"`
}

type replayResponse struct {
	Sent   []position        `json:"sent"`   // by time, at most a page of them
	Events []json.RawMessage `json:"events"` // CloudEvents
}

// position is when the broker got an event. The zero value comes before all.
type position struct {
	ID     uuid.UUID `json:"id"`
	SentAt time.Time `json:"sent_at"`
}

func publishedAfter(ctx context.Context, db *pgxpool.Pool, in replayRequest) ([]position, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[position], `
		select id, sent_at from sent
		where topic = any($1) and (sent_at, id) > ($2, $3) and sent_at < now() - $4::interval
		order by sent_at, id limit $5`, in.Topics, in.After.SentAt, in.After.ID, inFlight, positionPage)
}

func publishedEvents(ctx context.Context, db *pgxpool.Pool, teller string, in replayRequest) (events []json.RawMessage, err error) {
	all, err := postgres.All(ctx, db, pgx.RowToStructByName[emitted], `
		select id, topic, key, version, data, trace, emitted_at from sent
		where id = any($1) and topic = any($2) order by sent_at, id`, in.IDs, in.Topics)
	for _, e := range all {
		envelope, err := e.envelope(teller)
		if err != nil {
			return nil, err
		}
		events = append(events, envelope)
	}
	return events, err
}
