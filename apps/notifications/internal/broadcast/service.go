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

// Service makes broadcasts and carries them out.
type Service struct{ db *event.Outbox }

// NewService works in a database that has Migrations and those of notice.
func NewService(db *event.Outbox) *Service { return &Service{db: db} }

// NewBroadcast is what is asked for.
type NewBroadcast struct {
	idempotency.Key
	Title string    `json:"title" validate:"required,notblank,line,max=150" example:"Summer sale"`
	Body  string    `json:"body" validate:"required,notblank,line,max=2000" example:"Everything red is 20 % off this week."`
	Role  shop.Role `json:"role" validate:"omitempty,oneof=user admin"`
}

// Start begins a broadcast.
func (s *Service) Start(ctx context.Context, by shop.UserID, in NewBroadcast) (Broadcast, error) {
	return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Broadcast, error) {
		total, err := contact.Count(ctx, tx, in.Role)
		if err != nil {
			return Broadcast{}, err
		}
		return insert(ctx, tx, Broadcast{ID: shop.NewID(), Title: in.Title, Body: in.Body, Role: in.Role, Total: total, CreatedBy: by})
	})
}

// Get says how far a broadcast has come. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (Broadcast, error) {
	return get(ctx, s.db, id)
}

const (
	batchSize = 100 // people told in one transaction
	idle      = time.Second
)

// Run carries broadcasts out until ctx ends. Any replica goes on where another stopped: who was told and that they were
// are kept together.
func (s *Service) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		worked, err := s.step(ctx)
		if err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "a broadcast waits", "err", err)
		}
		if !worked {
			select {
			case <-ctx.Done():
			case <-time.After(idle):
			}
		}
	}
	return nil
}

// step notifies some of the people of the oldest broadcast. It says whether there was one: one that fails steps aside
// for a minute.
func (s *Service) step(ctx context.Context) (worked bool, err error) {
	var b Broadcast
	err = s.db.Tx(ctx, func(tx event.TX) (err error) {
		if b, err = lockNext(ctx, tx); err != nil || b.ID == uuid.Nil {
			return err
		}
		worked = true
		people, err := contact.After(ctx, tx, b.Role, b.LastUser, batchSize)
		if err != nil {
			return err
		}
		err = notice.NotifyAll(ctx, tx, people, func(reader shop.UserID) notice.Notice {
			return notice.Notice{UserID: reader, Kind: kind.Broadcast, Variables: template.Variables{Title: b.Title, Text: b.Body}}
		})
		if err != nil {
			return err
		}
		if b.Notified += len(people); len(people) < batchSize {
			b.State = Done
		} else {
			b.LastUser = people[len(people)-1]
		}
		return saveProgress(ctx, tx, b)
	})
	if !worked || err == nil {
		return worked, err
	}
	err = fmt.Errorf("broadcast %s: %w", b.ID, err)
	if failed := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return postpone(ctx, tx, b.ID) }); failed != nil {
		return false, errors.Join(err, failed)
	}
	return true, err
}
