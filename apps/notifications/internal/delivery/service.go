package delivery

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Service knows what was and will be delivered.
type Service struct{ db *pgxpool.Pool }

// NewService keeps deliveries in a database that has Migrations.
func NewService(db *pgxpool.Pool) *Service { return &Service{db: db} }

// PlanFor decides on which channels somebody is told, and when, and plans that, in the transaction that tells them. News go
// to a device if there is one, and by e-mail only if it fails.
func PlanFor(ctx context.Context, tx pgx.Tx, d Delivery, wants preference.Preferences, devices bool) error {
	k, err := kind.Of(d.Kind)
	if err != nil {
		return err
	}
	pushed := devices && wants.Wants(k, kind.Push)
	for _, channel := range kind.Outside {
		switch {
		case !wants.Wants(k, channel), channel == kind.Push && !pushed, channel == kind.SMS && wants.Phone == "",
			channel == kind.Email && pushed && k.Class == kind.News:
			continue
		}
		d.ID, d.Channel = ID{shop.NewID()}, channel
		if err := plan(ctx, tx, d, k, wants); err != nil {
			return err
		}
	}
	return nil
}

func plan(ctx context.Context, tx pgx.Tx, d Delivery, k kind.Kind, wants preference.Preferences) error {
	now := time.Now()
	d.Lane = Ordinary
	due := wants.At(k, now)
	switch {
	case k.Urgent():
		d.Lane = Urgent
	case k.Class == kind.News && d.Channel == kind.Email && wants.Digest == preference.Daily:
		d.Lane, due = Digest, wants.DigestAt(k, now)
	}
	return insert(ctx, tx, d, due)
}

// fallBack plans an e-mail in the place of a push that came to nothing, if its reader wants e-mail of that kind.
func fallBack(ctx context.Context, tx pgx.Tx, d Delivery) error {
	k, err := kind.Of(d.Kind)
	if err != nil {
		return err
	}
	wants, err := preference.Of(ctx, tx, d.UserID)
	if err != nil || !wants.Wants(k, kind.Email) {
		return err
	}
	d.ID, d.Channel = ID{shop.NewID()}, kind.Email
	return plan(ctx, tx, d, k, wants)
}

// Plan is a delivery as admins see it: without address and text.
type Plan struct {
	ID         ID           `json:"id"`
	MessageID  uuid.UUID    `json:"notification_id"`
	UserID     shop.UserID  `json:"user_id"`
	Kind       string       `json:"kind"`
	Channel    kind.Channel `json:"channel"`
	State      State        `json:"state"`
	Reason     string       `json:"reason"`
	Attempts   int          `json:"attempts"`
	DueAt      time.Time    `json:"due_at"`
	CreatedAt  time.Time    `json:"created_at"`
	FinishedAt *time.Time   `json:"finished_at"`
}

// Retry lets a dead delivery be tried again, at once. It fails with ErrNotFound or ErrNotDead.
func (s *Service) Retry(ctx context.Context, id ID) (p Plan, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		p, err = revive(ctx, tx, id)
		return err
	})
	return p, err
}

// attempt is what is kept of one.
type attempt struct {
	DeliveryID ID
	Number     int
	Outcome    outcome
	Provider   string
	Answer     string
	LatencyMS  int64
}

// Attempt is one try to deliver something, and what the provider said.
type Attempt struct {
	Seq        int64        `json:"-"`
	DeliveryID ID           `json:"delivery_id"`
	MessageID  uuid.UUID    `json:"notification_id"`
	UserID     shop.UserID  `json:"user_id"`
	Kind       string       `json:"kind"`
	Channel    kind.Channel `json:"channel"`
	Number     int          `json:"attempt"`
	Outcome    string       `json:"outcome"` // sent, refused, failed, unknown, skipped
	Provider   string       `json:"provider"`
	Answer     string       `json:"answer"`
	LatencyMS  int          `json:"latency_ms"`
	State      State        `json:"state"` // of the delivery, now
	At         time.Time    `json:"at"`
}

// Filter says which attempts are looked for; what is empty is any.
type Filter struct {
	Kind, Channel, Outcome string
	UserID, MessageID      *uuid.UUID
}

// History are attempts, newest first.
func (s *Service) History(ctx context.Context, f Filter, page web.PageQuery) (web.Page[Attempt], error) {
	before := int64(math.MaxInt64)
	if err := page.Cursor.Into(&before); err != nil {
		return web.Page[Attempt]{}, err
	}
	all, err := history(ctx, s.db, f, before, page.Limit+1)
	if err != nil {
		return web.Page[Attempt]{}, err
	}
	return web.NewPage(all, page.Limit, func(a Attempt) any { return a.Seq })
}

// Day is what became of one kind on one channel in one day (UTC). In the inbox everything is sent, and opened when it is
// read; of what left the platform nobody learns whether it was opened, because no mail carries a pixel.
type Day struct {
	Day      string `json:"day"`
	Kind     string `json:"kind"`
	Channel  string `json:"channel"`
	Planned  int    `json:"planned"`
	Sent     int    `json:"sent"`
	Failed   int    `json:"failed"`
	Skipped  int    `json:"skipped"`
	Waiting  int    `json:"waiting"`
	Opened   int    `json:"opened"`
	Attempts int    `json:"attempts"`
}

// Days are the days from one to another, the newest first.
func (s *Service) Days(ctx context.Context, from, until time.Time) ([]Day, error) {
	return days(ctx, s.db, from, until)
}

// Forget ends what waits for somebody and removes what is said of them.
func Forget(ctx context.Context, tx pgx.Tx, user shop.UserID) error { return forget(ctx, tx, user) }
