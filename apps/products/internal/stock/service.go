package stock

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations create the tables of stock. They reference the tables of products.
var Migrations = postgres.Migrations{Name: "stock", Files: postgres.Sub(files)}

// Service manages stock levels, reservations and alerts.
type Service struct {
	db   *event.Outbox
	hold time.Duration
}

// NewService takes how long reservations are held.
func NewService(db *event.Outbox, hold time.Duration) *Service { return &Service{db, hold} }

// Reserve reserves all items or none. A repeated call for an order returns the same reservation. It fails with
// ErrUnknownProduct, ErrOutOfStock, ErrMixedCurrencies, or with ErrReleased if the order's reservation has been
// released.
func (s *Service) Reserve(ctx context.Context, order shop.OrderID, items []Item) (r Reservation, err error) {
	err = s.db.Tx(ctx, func(tx event.TX) error {
		until, lines, err := reserve(ctx, tx, order, s.hold, items)
		switch {
		case err != nil:
			return err
		case until == nil:
			r, err = reservation(ctx, tx, order)
			if err == nil && r.State != StateHeld && r.State != StateCommitted {
				err = ErrReleased
			}
			return err
		}
		if err := reserveFault(lines); err != nil {
			return err // the rollback also removes the reservation
		}
		r = Reservation{OrderID: order, State: StateHeld, Lines: reservationLines(lines), ExpiresAt: *until}
		return recordCrossings(ctx, tx, reservedChanges(lines))
	})
	return r, err
}

// Commit makes a reservation a sale: the stock leaves on_hand. A repeated call changes nothing. It fails with
// ErrReleased if the reservation does not exist or has been released.
func (s *Service) Commit(ctx context.Context, order shop.OrderID) error {
	return s.db.Tx(ctx, func(tx event.TX) error {
		state, err := commit(ctx, tx, order)
		if err == nil && state != StateHeld && state != StateCommitted {
			err = ErrReleased
		}
		return err
	})
}

// Release releases what an order has reserved, and restocks what it has bought. A repeated call changes nothing. For an
// order without a reservation it leaves a tombstone: a reservation that arrives later is refused.
func (s *Service) Release(ctx context.Context, order shop.OrderID) error {
	return s.release(ctx, order, true)
}

// ReleaseHeld is Release without restocking: it changes nothing for an order that has bought its items.
func (s *Service) ReleaseHeld(ctx context.Context, order shop.OrderID) error {
	return s.release(ctx, order, false)
}

func (s *Service) release(ctx context.Context, order shop.OrderID, sold bool) error {
	return s.db.Tx(ctx, func(tx event.TX) error {
		if err := insertTombstone(ctx, tx, order); err != nil {
			return err
		}
		state, err := lock(ctx, tx, order)
		switch {
		case err != nil:
			return err
		case state == StateHeld:
			return settle(ctx, tx, order, releaseHeld, StateReleased)
		case state == StateCommitted && sold:
			return settle(ctx, tx, order, restockAll, StateReturned)
		}
		return nil
	})
}

// settle moves a locked reservation to its final state, with the stock change that belongs to it.
func settle(
	ctx context.Context, tx event.TX, order shop.OrderID,
	changeStock func(context.Context, pgx.Tx, shop.OrderID) ([]stockChange, error), state State,
) error {
	changes, err := changeStock(ctx, tx, order)
	if err != nil {
		return err
	}
	if err := recordCrossings(ctx, tx, changes); err != nil {
		return err
	}
	return setState(ctx, tx, order, state)
}

// Restock puts sold items back into stock. Quantities are totals over all restocks of the order, capped at what was
// sold. A call with no more than what is already back changes nothing. It fails with ErrReleased if the order has
// bought nothing.
func (s *Service) Restock(ctx context.Context, order shop.OrderID, items []Item) error {
	return s.db.Tx(ctx, func(tx event.TX) error {
		state, err := lock(ctx, tx, order)
		switch {
		case err != nil || state == StateReturned:
			return err
		case state != StateCommitted:
			return ErrReleased
		}
		changes, err := restock(ctx, tx, order, items)
		if err != nil {
			return err
		}
		return recordCrossings(ctx, tx, changes)
	})
}

// ReleaseExpired releases expired reservations. One that cannot be released is retried after ten minutes; the error
// names it.
func (s *Service) ReleaseExpired(ctx context.Context) error {
	orders, err := expired(ctx, s.db)
	if err != nil {
		return err
	}
	var failed error
	for _, order := range orders {
		err := s.db.Tx(ctx, func(tx event.TX) error {
			state, err := lock(ctx, tx, order)
			if err != nil || state != StateHeld {
				return err
			}
			return settle(ctx, tx, order, releaseHeld, StateReleased)
		})
		if err == nil {
			continue
		}
		failed = errors.Join(failed, fmt.Errorf("reservation of order %s: %w", order, err))
		if err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return postpone(ctx, tx, order) }); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}
