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

// Request is what somebody is told, and how they want it.
type Request struct {
	Job         // without ID and channel
	Preferences preference.Preferences
	HasDevices  bool // there is one to push to
}

// Enqueue decides on which channels people are told, and when, and plans that, in the transaction that tells them. News go
// to a device if there is one, and by e-mail only if it fails.
func Enqueue(ctx context.Context, tx pgx.Tx, all ...Request) error {
	var plans []scheduledJob
	for _, t := range all {
		k, err := kind.Of(t.Kind)
		if err != nil {
			return err
		}
		pushed := t.HasDevices && t.Preferences.Wants(k, kind.Push)
		for _, channel := range kind.External {
			switch {
			case !t.Preferences.Wants(k, channel), channel == kind.Push && !pushed, channel == kind.SMS && t.Preferences.Phone == "",
				channel == kind.Email && pushed && k.Class == kind.News:
				continue
			}
			d := t.Job
			d.ID, d.Channel = ID{shop.NewID()}, channel
			plans = append(plans, schedule(d, k, t.Preferences))
		}
	}
	return insert(ctx, tx, plans...)
}

// scheduledJob is a delivery and the moment from which it may go out.
type scheduledJob struct {
	Job
	due time.Time
}

func schedule(d Job, k kind.Kind, wants preference.Preferences) scheduledJob {
	now := time.Now()
	d.Priority = Ordinary
	due := wants.DueAt(k, now)
	switch {
	case k.Urgent():
		d.Priority = Urgent
	case k.Class == kind.News && d.Channel == kind.Email && wants.Digest == preference.Daily:
		d.Priority, due = Digest, wants.DigestDueAt(k, now)
	}
	return scheduledJob{d, due}
}

// fallBackToEmail plans an e-mail in the place of a push that came to nothing, if its reader wants e-mail of that kind.
func fallBackToEmail(ctx context.Context, tx pgx.Tx, d Job) error {
	k, unknown := kind.Of(d.Kind) // of another version, perhaps: then nobody can say whether it is wanted
	wants, err := preference.Get(ctx, tx, d.UserID)
	if err != nil || unknown != nil || !wants.Wants(k, kind.Email) {
		return err
	}
	d.ID, d.Channel = ID{shop.NewID()}, kind.Email
	return insert(ctx, tx, schedule(d, k, wants))
}

// Delivery is a delivery as admins see it: without address and text.
type Delivery struct {
	ID             ID           `json:"id"`
	NotificationID uuid.UUID    `json:"notification_id" db:"message_id"`
	UserID         shop.UserID  `json:"user_id"`
	Kind           string       `json:"kind"`
	Channel        kind.Channel `json:"channel"`
	State          State        `json:"state"`
	Reason         string       `json:"reason"`
	Attempts       int          `json:"attempts"`
	DueAt          time.Time    `json:"due_at"`
	CreatedAt      time.Time    `json:"created_at"`
	FinishedAt     *time.Time   `json:"finished_at"`
	OpenedAt       *time.Time   `json:"opened_at"`
	ClickedAt      *time.Time   `json:"clicked_at"`
}

// OrderDelivery is one thing that a buyer was told of an order, on one channel. In the inbox its state is sent or read.
type OrderDelivery struct {
	NotificationID uuid.UUID  `json:"notification_id" db:"message_id"`
	Kind           string     `json:"kind"`
	Channel        string     `json:"channel"`
	State          string     `json:"state"`
	Reason         string     `json:"reason,omitempty"`
	Attempts       int        `json:"attempts"`
	CreatedAt      time.Time  `json:"created_at"`
	FinishedAt     *time.Time `json:"finished_at"`
}

// Told is what a buyer was told of an order, and what became of it, the oldest first.
func (s *Service) Told(ctx context.Context, buyer shop.UserID, order shop.OrderID) ([]OrderDelivery, error) {
	return orderNotifications(ctx, s.db, buyer, order)
}

// Retry lets a dead delivery be tried again, at once or when its reader's quiet hours end. It fails with ErrNotFound or ErrNotDead.
func (s *Service) Retry(ctx context.Context, id ID) (p Delivery, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		p, err = retryDead(ctx, tx, id)
		return err
	})
	return p, err
}

// attemptRow is what is kept of one.
type attemptRow struct {
	DeliveryID ID
	Number     int
	Outcome    outcome
	Provider   string
	Answer     string
	LatencyMS  int64
}

// DeliveryAttempt is one try to deliver something, and what the provider said.
type DeliveryAttempt struct {
	Seq            int64        `json:"-"`
	DeliveryID     ID           `json:"delivery_id"`
	NotificationID uuid.UUID    `json:"notification_id" db:"message_id"`
	UserID         shop.UserID  `json:"user_id"`
	Kind           string       `json:"kind"`
	Channel        kind.Channel `json:"channel"`
	Number         int          `json:"attempt"`
	Outcome        string       `json:"outcome"` // sent, refused, failed, unknown, skipped
	Provider       string       `json:"provider"`
	Answer         string       `json:"answer"`
	LatencyMS      int          `json:"latency_ms"`
	State          State        `json:"state"` // of the delivery, now
	At             time.Time    `json:"at"`
}

// Filter says which attempts are looked for; what is empty is any.
type Filter struct {
	Kind, Channel, Outcome string
	UserID, NotificationID *uuid.UUID
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
	Day      string `json:"day" validate:"datetime=2006-01-02"`
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

// MakeDue has what waits for somebody looked at now, because something is known that was not; a digest waits for its morning.
func MakeDue(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	return makeDue(ctx, tx, user, Ordinary)
}

// Reconsider has what waits for somebody looked at now, because they want to be told in another way; a digest that stays one waits
// for its morning.
func Reconsider(ctx context.Context, tx pgx.Tx, wants preference.Preferences) error {
	if wants.Digest == preference.Daily {
		return makeDue(ctx, tx, wants.UserID, Ordinary)
	}
	return makeDue(ctx, tx, wants.UserID, Digest)
}
