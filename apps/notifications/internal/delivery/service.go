package delivery

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Service shows admins the deliveries, and counts opened e-mails and followed links.
type Service struct {
	db     *pgxpool.Pool
	tokens TrackingTokens
}

// NewService needs a database with Migrations and those of inbox and preference.
func NewService(db *pgxpool.Pool, tokens TrackingTokens) *Service { return &Service{db, tokens} }

// Request is a notification to deliver on all channels that its user wants.
type Request struct {
	Job         // without ID, Channel and Priority
	Preferences preference.Preferences
	HasDevices  bool
}

// Enqueue inserts a job for each channel that the user wants. News are pushed if there is a device, and sent by e-mail
// only if the push fails.
func Enqueue(ctx context.Context, tx pgx.Tx, requests ...Request) error {
	var jobs []scheduledJob
	for _, r := range requests {
		k, err := kind.Of(r.Kind)
		if err != nil {
			return err
		}
		push := r.HasDevices && r.Preferences.Wants(k, kind.Push)
		for _, channel := range kind.External {
			switch {
			case !r.Preferences.Wants(k, channel), channel == kind.Push && !push,
				channel == kind.SMS && r.Preferences.Phone == "", channel == kind.Email && push && k.Class == kind.ClassNews:
				continue
			}
			jobs = append(jobs, schedule(r.Job, channel, k, r.Preferences))
		}
	}
	return insert(ctx, tx, jobs...)
}

// scheduledJob is a job and the time from which it may be sent.
type scheduledJob struct {
	Job
	due time.Time
}

func schedule(job Job, channel kind.Channel, k kind.Kind, p preference.Preferences) scheduledJob {
	now := time.Now()
	job.ID, job.Channel, job.Priority = ID{shop.NewID()}, channel, Ordinary
	due := p.DueAt(k, now)
	switch {
	case k.Urgent():
		job.Priority = Urgent
	case k.Class == kind.ClassNews && channel == kind.Email && p.Digest == preference.Daily:
		job.Priority, due = Digest, p.DigestDueAt(k, now)
	}
	return scheduledJob{job, due}
}

// fallBackToEmail enqueues an e-mail for a push that failed, if the user wants e-mail of that kind.
func fallBackToEmail(ctx context.Context, tx pgx.Tx, job Job) error {
	k, unknown := kind.Of(job.Kind) // a kind of another release has no preferences here
	p, err := preference.Get(ctx, tx, job.UserID)
	if err != nil || unknown != nil || !p.Wants(k, kind.Email) {
		return err
	}
	return insert(ctx, tx, schedule(job, kind.Email, k, p))
}

// Delivery is a delivery without its address and content.
type Delivery struct {
	ID             ID           `json:"id"`
	NotificationID uuid.UUID    `json:"notification_id"`
	UserID         shop.UserID  `json:"user_id"`
	Kind           string       `json:"kind"`
	Channel        kind.Channel `json:"channel"`
	State          State        `json:"state" validate:"oneof=waiting sending sent dead skipped"`
	Reason         string       `json:"reason"`
	Attempts       int          `json:"attempts"`
	DueAt          time.Time    `json:"due_at"`
	CreatedAt      time.Time    `json:"created_at"`
	FinishedAt     *time.Time   `json:"finished_at"`
	OpenedAt       *time.Time   `json:"opened_at"`
	ClickedAt      *time.Time   `json:"clicked_at"`
}

// OrderDelivery is a notification about an order on one channel. In the inbox its state is sent or read.
type OrderDelivery struct {
	NotificationID uuid.UUID  `json:"notification_id"`
	Kind           string     `json:"kind"`
	Channel        string     `json:"channel"`
	State          string     `json:"state"`
	Reason         string     `json:"reason,omitempty"`
	Attempts       int        `json:"attempts"`
	CreatedAt      time.Time  `json:"created_at"`
	FinishedAt     *time.Time `json:"finished_at"`
}

// Retry makes a dead delivery due, or defers it to the end of its user's quiet hours. It fails with ErrNotFound or
// ErrNotDead.
func (s *Service) Retry(ctx context.Context, id ID) (Delivery, error) {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) (Delivery, error) { return retryDead(ctx, tx, id) })
}

// DeliveryAttempt is an attempt to send a delivery, and the provider's response.
type DeliveryAttempt struct {
	Seq            int64        `json:"-"`
	DeliveryID     ID           `json:"delivery_id"`
	NotificationID uuid.UUID    `json:"notification_id"`
	UserID         shop.UserID  `json:"user_id"`
	Kind           string       `json:"kind"`
	Channel        kind.Channel `json:"channel"`
	Number         int          `json:"attempt"`
	Outcome        string       `json:"outcome" validate:"oneof=sent refused failed unknown skipped"`
	Provider       string       `json:"provider"`
	Response       string       `json:"answer"`
	LatencyMS      int          `json:"latency_ms"`
	State          State        `json:"state" validate:"oneof=waiting sending sent dead skipped"` // of the delivery, now
	At             time.Time    `json:"at"`
}

// HistoryQuery selects attempts; an empty field selects all.
type HistoryQuery struct {
	web.PageQuery
	Kind           string     `query:"kind" validate:"max=60"`
	Channel        string     `query:"channel" validate:"omitempty,oneof=email push sms"`
	Outcome        string     `query:"outcome" validate:"omitempty,oneof=sent refused failed unknown skipped"`
	UserID         *uuid.UUID `query:"user_id"`
	NotificationID *uuid.UUID `query:"notification_id"`
}

// History lists attempts, newest first.
func (s *Service) History(ctx context.Context, q HistoryQuery) (web.Page[DeliveryAttempt], error) {
	return web.PageOf(q.PageQuery, math.MaxInt64, func(before int64, limit int) ([]DeliveryAttempt, error) {
		return history(ctx, s.db, q, before, limit)
	}, func(a DeliveryAttempt) int64 { return a.Seq })
}

// DailyDeliveries counts the deliveries of a kind on a channel that were enqueued on a day (UTC). In the inbox all are
// sent, and opened when they are read. E-mails are counted as opened only where the user allows tracking.
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

// MakeDue makes the waiting jobs of a user due, except digests. It is called when the user's address becomes known.
func MakeDue(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	return makeDue(ctx, tx, user, Ordinary)
}

// ApplyPreferences makes the waiting jobs of a user due, so that the worker applies the new preferences to them. A
// digest keeps its time unless the user has turned digests off.
func ApplyPreferences(ctx context.Context, tx pgx.Tx, p preference.Preferences) error {
	if p.Digest == preference.Daily {
		return makeDue(ctx, tx, p.UserID, Ordinary)
	}
	return makeDue(ctx, tx, p.UserID, Digest)
}

// Track counts an e-mail as opened, or a link in it as followed, if its user allows that now. It returns the path that
// the link leads to, also where nothing is counted. It fails with ErrInvalidLink.
func (s *Service) Track(ctx context.Context, token string, isLink bool) (path string, err error) {
	id, path, ok := s.tokens.Verify(token)
	if !ok || isLink != ownPath.MatchString(path) {
		return "", ErrInvalidLink
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		user, err := recipientOf(ctx, tx, ID{id})
		if err != nil {
			return err
		}
		if p, err := preference.Get(ctx, tx, user); err != nil || !p.Tracking {
			return err
		}
		return markOpened(ctx, tx, ID{id}, isLink)
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		slog.WarnContext(ctx, "opened e-mail not counted", "delivery", id, "err", err)
	}
	return path, nil
}
