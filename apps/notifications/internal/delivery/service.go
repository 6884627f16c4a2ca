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

// Notice is what somebody is told, and how they want it.
type Notice struct {
	Delivery // without ID and channel
	Wants    preference.Preferences
	Devices  bool // there is one to push to
}

// PlanFor decides on which channels people are told, and when, and plans that, in the transaction that tells them. News go
// to a device if there is one, and by e-mail only if it fails.
func PlanFor(ctx context.Context, tx pgx.Tx, all ...Notice) error {
	var plans []scheduled
	for _, t := range all {
		k, err := kind.Of(t.Kind)
		if err != nil {
			return err
		}
		pushed := t.Devices && t.Wants.Wants(k, kind.Push)
		for _, channel := range kind.Outside {
			switch {
			case !t.Wants.Wants(k, channel), channel == kind.Push && !pushed, channel == kind.SMS && t.Wants.Phone == "",
				channel == kind.Email && pushed && k.Class == kind.News:
				continue
			}
			d := t.Delivery
			d.ID, d.Channel = ID{shop.NewID()}, channel
			plans = append(plans, plan(d, k, t.Wants))
		}
	}
	return insert(ctx, tx, plans...)
}

// scheduled is a delivery and the moment from which it may go out.
type scheduled struct {
	Delivery
	due time.Time
}

func plan(d Delivery, k kind.Kind, wants preference.Preferences) scheduled {
	now := time.Now()
	d.Lane = Ordinary
	due := wants.At(k, now)
	switch {
	case k.Urgent():
		d.Lane = Urgent
	case k.Class == kind.News && d.Channel == kind.Email && wants.Digest == preference.Daily:
		d.Lane, due = Digest, wants.DigestAt(k, now)
	}
	return scheduled{d, due}
}

// fallBack plans an e-mail in the place of a push that came to nothing, if its reader wants e-mail of that kind.
func fallBack(ctx context.Context, tx pgx.Tx, d Delivery) error {
	k, unknown := kind.Of(d.Kind) // of another version, perhaps: then nobody can say whether it is wanted
	wants, err := preference.Of(ctx, tx, d.UserID)
	if err != nil || unknown != nil || !wants.Wants(k, kind.Email) {
		return err
	}
	d.ID, d.Channel = ID{shop.NewID()}, kind.Email
	return insert(ctx, tx, plan(d, k, wants))
}

// DeliveryStatus is a delivery as admins see it: without address and text.
type DeliveryStatus struct {
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
	OpenedAt   *time.Time   `json:"opened_at"`
	ClickedAt  *time.Time   `json:"clicked_at"`
}

// Told is one thing that a buyer was told of an order, on one channel. In the inbox its state is sent or read.
type Told struct {
	MessageID  uuid.UUID  `json:"notification_id"`
	Kind       string     `json:"kind"`
	Channel    string     `json:"channel"`
	State      string     `json:"state"`
	Reason     string     `json:"reason,omitempty"`
	Attempts   int        `json:"attempts"`
	CreatedAt  time.Time  `json:"created_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

// Told is what a buyer was told of an order, and what became of it, the oldest first.
func (s *Service) Told(ctx context.Context, buyer shop.UserID, order shop.OrderID) ([]Told, error) {
	return told(ctx, s.db, buyer, order)
}

// Retry lets a dead delivery be tried again, at once or when its reader's quiet hours end. It fails with ErrNotFound or ErrNotDead.
func (s *Service) Retry(ctx context.Context, id ID) (p DeliveryStatus, err error) {
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

// DeliveryAttempt is one try to deliver something, and what the provider said.
type DeliveryAttempt struct {
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
func (s *Service) History(ctx context.Context, f Filter, page web.PageQuery) (web.Page[DeliveryAttempt], error) {
	return web.PageOf(page, math.MaxInt64, func(before int64, most int) ([]DeliveryAttempt, error) {
		return history(ctx, s.db, f, before, most)
	}, func(a DeliveryAttempt) int64 { return a.Seq })
}

// DailyDeliveries is what became of one kind on one channel in one day (UTC). In the inbox everything is sent, and opened when it is
// read; a mail is only where its reader allowed mails to tell.
type DailyDeliveries struct {
	Day      string `json:"day"`
	Kind     string `json:"kind"`
	Channel  string `json:"channel"`
	Planned  int    `json:"planned"`
	Sent     int    `json:"sent"`
	Failed   int    `json:"failed"`
	Skipped  int    `json:"skipped"`
	Waiting  int    `json:"waiting"`
	Opened   int    `json:"opened"`
	Clicked  int    `json:"clicked"`
	Attempts int    `json:"attempts"`
}

// Days are the days from one to another, the newest first.
func (s *Service) Days(ctx context.Context, from, until time.Time) ([]DailyDeliveries, error) {
	return days(ctx, s.db, from, until)
}

// Hasten has what waits for somebody looked at now, because something is known that was not; a digest waits for its morning.
func Hasten(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	return hasten(ctx, tx, user, Ordinary)
}

// Reconsider has what waits for somebody looked at now, because they want to be told in another way; a digest that stays one waits
// for its morning.
func Reconsider(ctx context.Context, tx pgx.Tx, wants preference.Preferences) error {
	if wants.Digest == preference.Daily {
		return hasten(ctx, tx, wants.UserID, Ordinary)
	}
	return hasten(ctx, tx, wants.UserID, Digest)
}
