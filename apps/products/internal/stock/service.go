package stock

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the stock's tables; they stand on the products'.
var Migrations = postgres.Migrations{Name: "stock", Files: postgres.Sub(files)}

// Service does what can be done with stock.
type Service struct {
	db   *event.Outbox
	hold time.Duration
}

// NewService works on an open database; reservations are held for hold.
func NewService(db *event.Outbox, hold time.Duration) *Service { return &Service{db, hold} }

// Reserve speaks for all lines or none. Called again for the same order it answers the same reservation. It fails with
// ErrUnknownProduct, ErrOutOfStock, ErrMixedCurrencies, or ErrReleased where the order has already given its reservation back.
func (s *Service) Reserve(ctx context.Context, order shop.OrderID, items []Item) (r Reservation, err error) {
	err = s.db.Tx(ctx, func(tx event.TX) error {
		until, lines, err := reserve(ctx, tx, order, s.hold, items)
		switch {
		case err != nil:
			return err
		case until == nil:
			r, err = existingReservation(ctx, tx, order)
			return err
		}
		if err := reserveFault(lines); err != nil {
			return err // and the claim goes with the transaction
		}
		r = Reservation{OrderID: order, State: StateHeld, Lines: reservationLines(lines), ExpiresAt: *until}
		for _, l := range lines {
			err := recordCrossing(ctx, tx, stockChange{
				ProductID: l.ProductID, SKU: l.SKU, Name: l.Name, OnSale: true,
				AvailableBefore: l.Available, Available: l.Available - l.Quantity, Threshold: l.Threshold, ThresholdBefore: l.Threshold,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return r, err
}

// existingReservation is the reservation that an order has made before. It fails with ErrReleased where it holds no longer.
func existingReservation(ctx context.Context, tx pgx.Tx, order shop.OrderID) (Reservation, error) {
	r, err := reservation(ctx, tx, order)
	if err == nil && r.State != StateHeld && r.State != StateCommitted {
		err = ErrReleased
	}
	return r, err
}

// Commit makes a reservation a sale: the goods leave the shelf. Called again it changes nothing. It fails with
// ErrReleased where there is nothing to commit any more.
func (s *Service) Commit(ctx context.Context, order shop.OrderID) error {
	return s.db.Tx(ctx, func(tx event.TX) error {
		state, err := commit(ctx, tx, order)
		if err == nil && state != StateHeld && state != StateCommitted {
			err = ErrReleased
		}
		return err
	})
}

// Release gives back what an order holds: held stock becomes available, sold stock returns to the shelf. Called again,
// or for an order that reserved nothing, it changes nothing; a reservation that arrives later is refused.
func (s *Service) Release(ctx context.Context, order shop.OrderID) error {
	return s.release(ctx, order, true)
}

// ReleaseHeld is Release that leaves alone what is sold: for an order that is believed not to be.
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

// settle makes the lines of a locked reservation available by free or shelve, and tells what is back.
func settle(ctx context.Context, tx event.TX, order shop.OrderID, by func(context.Context, pgx.Tx, shop.OrderID) ([]stockChange, error), state State) error {
	all, err := by(ctx, tx, order)
	if err != nil {
		return err
	}
	if err := recordCrossings(ctx, tx, all); err != nil {
		return err
	}
	return setState(ctx, tx, order, state)
}

// recordCrossings tells of each, by product: what it writes down is locked in that order.
func recordCrossings(ctx context.Context, tx event.TX, all []stockChange) error {
	slices.SortFunc(all, func(a, b stockChange) int { return cmp.Compare(a.ProductID, b.ProductID) })
	for _, m := range all {
		if err := recordCrossing(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}

// Restock puts so many of each sold line back on the shelf, all returns of the order taken together, and at most what was
// sold. Called again, or with less than is back already, it changes nothing. It fails with ErrReleased where the order
// has bought nothing.
func (s *Service) Restock(ctx context.Context, order shop.OrderID, items []Item) error {
	return s.db.Tx(ctx, func(tx event.TX) error {
		state, err := lock(ctx, tx, order)
		switch {
		case err != nil || state == StateReturned:
			return err
		case state != StateCommitted:
			return ErrReleased
		}
		all, err := restock(ctx, tx, order, items)
		if err != nil {
			return err
		}
		return recordCrossings(ctx, tx, all)
	})
}

// ReleaseExpired releases reservations whose time is over and that are still held. One that cannot be released steps
// aside for ten minutes; the error names it.
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
