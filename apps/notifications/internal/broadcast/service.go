package broadcast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/notice"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// Service starts and sends broadcasts.
type Service struct{ db *event.Outbox }

// NewService needs a database with Migrations and those of notice.
func NewService(db *event.Outbox) *Service { return &Service{db: db} }

// NewBroadcast is a broadcast to start.
type NewBroadcast struct {
	idempotency.Key
	Title string    `json:"title" validate:"required,notblank,line,max=150" example:"Summer sale"`
	Body  string    `json:"body" validate:"required,notblank,line,max=2000" example:"Everything red is 20 % off this week."`
	Role  shop.Role `json:"role" validate:"omitempty,oneof=user admin"`
}

// Start starts a broadcast.
func (s *Service) Start(ctx context.Context, by shop.UserID, in NewBroadcast) (Broadcast, error) {
	return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Broadcast, error) {
		total, err := contact.Count(ctx, tx, in.Role)
		if err != nil {
			return Broadcast{}, err
		}
		return insert(ctx, tx, Broadcast{
			ID: shop.NewID(), Title: in.Title, Body: in.Body, Role: in.Role, Total: total, CreatedBy: by,
		})
	})
}

// Get returns a broadcast with its progress. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (Broadcast, error) {
	return get(ctx, s.db, id)
}

const (
	batchSize = 100 // users in a transaction
	idlePause = time.Second
)

// Run sends broadcasts until ctx ends. Any replica continues where another stopped: the notifications and the progress
// are stored in one transaction.
func (s *Service) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		found, err := s.step(ctx)
		if err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "broadcast postponed", "err", err)
		}
		if !found {
			select {
			case <-ctx.Done():
			case <-time.After(idlePause):
			}
		}
	}
	return nil
}

// step notifies the next batch of users of the oldest due broadcast. found is whether there was one.
func (s *Service) step(ctx context.Context) (found bool, err error) {
	var b Broadcast
	err = s.db.Tx(ctx, func(tx event.TX) (err error) {
		if b, err = lockNext(ctx, tx); err != nil || b.ID == uuid.Nil {
			return err
		}
		found = true
		users, err := contact.After(ctx, tx, b.Role, b.LastUser, batchSize)
		if err != nil {
			return err
		}
		err = notice.NotifyAll(ctx, tx, users, func(user shop.UserID) notice.Notice {
			v := template.Variables{Title: b.Title, Text: b.Body}
			return notice.Notice{UserID: user, Kind: kind.Broadcast, Variables: v}
		})
		if err != nil {
			return err
		}
		if b.Notified += len(users); len(users) < batchSize {
			b.State = Done
		} else {
			b.LastUser = users[len(users)-1]
		}
		return saveProgress(ctx, tx, b)
	})
	if !found || err == nil {
		return found, err
	}
	err = fmt.Errorf("broadcast %s: %w", b.ID, err)
	if failed := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return postpone(ctx, tx, b.ID) }); failed != nil {
		return false, errors.Join(err, failed)
	}
	return true, err
}
