package event

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

const (
	// Kept is how long a teller remembers what the broker has. A hearer that was away for longer relies on the broker alone.
	Kept = time.Hour
	// underway is how long after its publishing an event may still be on its way to whoever hears it.
	underway = 30 * time.Second
	// page is how many events are listed by one answer, and parcel how many are handed over.
	page, parcel = 1000, 50
)

// SentPath is the path of a publisher's SentRoute.
const SentPath = "/events/sent"

// SentRoute lets hearers ask a teller what the broker was given. What is theirs to hear is theirs to ask for; who that is
// says the access list.
func SentRoute(app *web.App, teller string, db *pgxpool.Pool) {
	web.Handle(app, "POST "+SentPath, shop.Anyone, func(ctx context.Context, _ shop.Caller, in sentQuery) (answer sentAnswer, err error) {
		if len(in.IDs) > 0 {
			answer.Events, err = sentEvents(ctx, db, teller, in)
		} else {
			answer.Sent, err = sentAfter(ctx, db, in)
		}
		return answer, err
	}, web.Internal)
}

// sentQuery asks for the events of some ids, or else which came after another.
type sentQuery struct {
	Topics []string    `json:"topics" validate:"required,max=100,dive,max=100"`
	After  sent        `json:"after"`
	IDs    []uuid.UUID `json:"ids" validate:"max=50"`
}

type sentAnswer struct {
	Sent   []sent            `json:"sent"`   // by time, at most a page of them
	Events []json.RawMessage `json:"events"` // CloudEvents
}

// sent is when the broker got an event. The zero value comes before all.
type sent struct {
	ID     uuid.UUID `json:"id"`
	SentAt time.Time `json:"sent_at"`
}

func sentAfter(ctx context.Context, db *pgxpool.Pool, in sentQuery) ([]sent, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[sent], `
		select id, sent_at from sent
		where topic = any($1) and (sent_at, id) > ($2, $3) and sent_at < now() - $4::interval
		order by sent_at, id limit $5`, in.Topics, in.After.SentAt, in.After.ID, underway, page)
}

func sentEvents(ctx context.Context, db *pgxpool.Pool, teller string, in sentQuery) (events []json.RawMessage, err error) {
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
