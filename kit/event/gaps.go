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

const (
	// Retention is how long a publisher keeps published events for gap detection. A consumer that was down for longer
	// relies on the broker alone.
	Retention = time.Hour
	// inFlight is how long after its publishing an event may still be delivered by the broker.
	inFlight = 30 * time.Second
	// deadAfter is how long a missed event that cannot be handled is retried before it becomes a dead letter.
	deadAfter = 5 * time.Minute
	// positionPage is how many positions one response of the replay endpoint lists, replayBatch how many events.
	positionPage, replayBatch = 1000, 50
)

// ReplayPath is the path of a publisher's replay endpoint.
const ReplayPath = "/events/replay"

// ReplayRoute adds the replay endpoint: consumers list there what was published, and fetch what they missed. The
// sidecar's access list has the services that may invoke it.
func ReplayRoute(app *web.App, publisher string, db *pgxpool.Pool) {
	web.Handle(app, "POST "+ReplayPath, shop.Anyone,
		func(ctx context.Context, _ shop.Caller, in replayRequest) (out replayResponse, err error) {
			if len(in.IDs) > 0 {
				out.Events, err = publishedEvents(ctx, db, publisher, in)
			} else {
				out.Positions, err = publishedAfter(ctx, db, in)
			}
			return out, err
		}, web.Internal)
}

// replayRequest requests the events with some ids, or without ids the positions after a checkpoint.
type replayRequest struct {
	Topics []string    `json:"topics" validate:"required,max=100,dive,max=100"`
	After  position    `json:"after"`
	IDs    []uuid.UUID `json:"ids" validate:"max=50"`
}

type replayResponse struct {
	Positions []position        `json:"positions"` // in order, at most positionPage
	Events    []json.RawMessage `json:"events"`    // CloudEvents
}

// position is that of an event in the order of publishing. The zero value is before all.
type position struct {
	ID          uuid.UUID `json:"id"`
	PublishedAt time.Time `json:"published_at"`
}

// DetectGaps compares the hub's inbox with what other services published, and handles missed events. The broker
// delivers at least once, but the sidecar can mistake a delivery that was cut off for a handled one, because all
// requests to an app share one pipeline (Dapr 1.16.0 to 1.18.2; see SignatureHeader in kit/sidecar). Remove when they
// no longer do. publishers are the replay endpoints. Only events that the inbox records can be compared: On and
// OnIdempotentRecorded.
func (h *Hub) DetectGaps(ctx context.Context, invoke sidecar.Invoke, publishers ...sidecar.Endpoint) error {
	var errs []error
	for _, publisher := range publishers {
		errs = append(errs, h.detectGaps(ctx, invoke, publisher))
	}
	return errors.Join(errs...)
}

// detectGaps continues from the checkpoint, page by page. A page with an event that could not be handled is read again.
func (h *Hub) detectGaps(ctx context.Context, invoke sidecar.Invoke, publisher sidecar.Endpoint) error {
	for {
		at, err := h.checkpoint(ctx, publisher.App)
		if err != nil {
			return err
		}
		var out replayResponse
		if err := invoke(ctx, publisher, replayRequest{Topics: h.recorded, After: at}, &out); err != nil {
			return err
		}
		positions := out.Positions
		if len(positions) == 0 {
			return nil
		}
		if err := h.handleMissing(ctx, positions, invoke, publisher); err != nil {
			return err
		}
		err = h.saveCheckpoint(ctx, publisher.App, positions[len(positions)-1])
		if err != nil || len(positions) < positionPage {
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
		var out replayResponse
		if err = invoke(ctx, publisher, replayRequest{Topics: h.recorded, IDs: some}, &out); err != nil {
			break
		}
		for _, e := range out.Events {
			errs = append(errs, h.handleMissed(ctx, e))
		}
	}
	return errors.Join(append(errs, err)...)
}

// handleMissed handles an event as if the sidecar delivered it. An event that cannot be handled becomes a dead letter:
// immediately when a retry is useless, else after deadAfter.
func (h *Hub) handleMissed(ctx context.Context, event json.RawMessage) error {
	var envelope cloudEvent
	if err := decode(event, &envelope); err != nil {
		return err
	}
	handle, ok := h.handlers[envelope.Type]
	if !ok {
		return nil // no longer consumed
	}
	slog.WarnContext(ctx, "missed event, handling it now", "event_id", envelope.ID, "topic", envelope.Type)
	err := handle(ctx, event)
	if err != nil && (!fault.Of(err).Kind.Retryable() || time.Since(envelope.Time) > deadAfter) {
		return h.storeDeadLetter(ctx, envelope.ID, envelope.Type, event)
	}
	return err
}

// missing returns the ids that are neither handled nor dead letters.
func (h *Hub) missing(ctx context.Context, all []position) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, len(all))
	for i, p := range all {
		ids[i] = p.ID
	}
	return postgres.All(ctx, h.db, pgx.RowTo[uuid.UUID], `
		select id from unnest($1::uuid[]) with ordinality as candidate (id, n)
		where not exists (select from inbox where event_id = id) and not exists (select from dead_letters where event_id = id)
		order by n`, ids)
}

func (h *Hub) checkpoint(ctx context.Context, publisher string) (at position, err error) {
	err = h.db.QueryRow(ctx, `
		select id, published_at from checkpoints where publisher = $1`, publisher).Scan(&at.ID, &at.PublishedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return at, err
}

func (h *Hub) saveCheckpoint(ctx context.Context, publisher string, at position) error {
	_, err := h.db.Exec(ctx, `
		insert into checkpoints (publisher, published_at, id) values ($1, $2, $3)
		on conflict (publisher) do update set published_at = excluded.published_at, id = excluded.id
		where (checkpoints.published_at, checkpoints.id) < (excluded.published_at, excluded.id)`, publisher, at.PublishedAt, at.ID)
	return err
}

func publishedAfter(ctx context.Context, db *pgxpool.Pool, in replayRequest) ([]position, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[position], `
		select id, published_at from published
		where topic = any($1) and (published_at, id) > ($2, $3) and published_at < now() - $4::interval
		order by published_at, id limit $5`, in.Topics, in.After.PublishedAt, in.After.ID, inFlight, positionPage)
}

func publishedEvents(
	ctx context.Context, db *pgxpool.Pool, publisher string, in replayRequest,
) (events []json.RawMessage, err error) {
	all, err := postgres.All(ctx, db, pgx.RowToStructByName[emitted], `
		select id, topic, key, version, data, trace, emitted_at from published
		where id = any($1) and topic = any($2) order by published_at, id`, in.IDs, in.Topics)
	for _, e := range all {
		envelope, err := e.envelope(publisher)
		if err != nil {
			return nil, err
		}
		events = append(events, envelope)
	}
	return events, err
}
