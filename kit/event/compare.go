package event

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/fault"
	"sidecart/kit/postgres"
	"sidecart/kit/sidecar"
)

// givenUp is how long an event that cannot be handled holds up the comparison before it is a dead letter.
const givenUp = 5 * time.Minute

// Compare compares the hub's inbox with what was published, and handles what is missing. The broker delivers at least
// once. But the sidecar can take a delivery that was cut off for one that was handled, because all requests to an app
// share one pipeline (Dapr 1.16.0 to 1.18.2; see Signature in kit/sidecar). Remove when they do not any more.
// publishers are the SentRoutes of other services, each of which answers with the topics that it publishes. Only what
// the inbox knows can be compared: On and OnAgainNoted.
func (h *Hub) Compare(ctx context.Context, invoke sidecar.Invoke, publishers ...sidecar.Endpoint) error {
	var errs []error
	for _, sent := range publishers {
		errs = append(errs, h.compare(ctx, invoke, sent))
	}
	return errors.Join(errs...)
}

// compare goes on from where it stopped, page by page. A page of which something could not be handled comes again.
func (h *Hub) compare(ctx context.Context, invoke sidecar.Invoke, publisher sidecar.Endpoint) error {
	for {
		at, err := h.comparedTo(ctx, publisher.App)
		if err != nil {
			return err
		}
		var answer sentAnswer
		if err := invoke(ctx, publisher, sentQuery{Topics: h.inboxed, After: at}, &answer); err != nil {
			return err
		}
		if len(answer.Sent) == 0 {
			return nil
		}
		if err := h.handleMissing(ctx, answer.Sent, invoke, publisher); err != nil {
			return err
		}
		if err := h.compared(ctx, publisher.App, answer.Sent[len(answer.Sent)-1]); err != nil || len(answer.Sent) < page {
			return err
		}
	}
}

func (h *Hub) handleMissing(ctx context.Context, all []sent, invoke sidecar.Invoke, publisher sidecar.Endpoint) error {
	missing, err := h.missing(ctx, all)
	var errs []error
	for err == nil && len(missing) > 0 {
		some := missing[:min(parcel, len(missing))]
		missing = missing[len(some):]
		var answer sentAnswer
		if err = invoke(ctx, publisher, sentQuery{Topics: h.inboxed, IDs: some}, &answer); err != nil {
			break
		}
		for _, e := range answer.Events {
			errs = append(errs, h.handleLate(ctx, e))
		}
	}
	return errors.Join(append(errs, err)...)
}

// handleLate handles an event as if it were delivered. What cannot be handled becomes a dead letter, at once or after a
// while, as it would by the sidecar.
func (h *Hub) handleLate(ctx context.Context, event json.RawMessage) error {
	var envelope cloudEvent
	if err := decode(event, &envelope); err != nil {
		return err
	}
	hear, ok := h.hears[envelope.Type]
	if !ok {
		return nil // not ours any more
	}
	slog.WarnContext(ctx, "an event was published and never handled; it is handled now", "event_id", envelope.ID, "topic", envelope.Type)
	err := hear(ctx, event)
	if err != nil && (!fault.Of(err).Kind.Retryable() || time.Since(envelope.Time) > givenUp) {
		return h.keepLetter(ctx, envelope.ID, envelope.Type, event)
	}
	return err
}

// missing are those that are neither handled nor dead.
func (h *Hub) missing(ctx context.Context, all []sent) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, len(all))
	for i, s := range all {
		ids[i] = s.ID
	}
	return postgres.All(ctx, h.db, pgx.RowTo[uuid.UUID], `
		select id from unnest($1::uuid[]) with ordinality as sent (id, n)
		where not exists (select from inbox where event_id = id) and not exists (select from dead_letters where event_id = id)
		order by n`, ids)
}

func (h *Hub) comparedTo(ctx context.Context, teller string) (at sent, err error) {
	err = h.db.QueryRow(ctx, `select id, sent_at from compared where teller = $1`, teller).Scan(&at.ID, &at.SentAt)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return at, err
}

func (h *Hub) compared(ctx context.Context, teller string, at sent) error {
	_, err := h.db.Exec(ctx, `
		insert into compared (teller, sent_at, id) values ($1, $2, $3)
		on conflict (teller) do update set sent_at = excluded.sent_at, id = excluded.id
		where (compared.sent_at, compared.id) < (excluded.sent_at, excluded.id)`, teller, at.SentAt, at.ID)
	return err
}
