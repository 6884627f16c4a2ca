package stock

import (
	"context"
	"embed"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the stock's tables; they stand on the products'.
var Migrations = postgres.Migrations{Name: "stock", Files: postgres.Sub(files)}

// Service does what can be done with stock.
type Service struct {
	db   *pgxpool.Pool
	hold time.Duration
}

// NewService works on an open database; reservations are held for hold.
func NewService(db *pgxpool.Pool, hold time.Duration) *Service { return &Service{db, hold} }

// Open gives a new product its first stock, in the transaction that creates it.
func Open(ctx context.Context, tx pgx.Tx, productID int64, quantity int) error {
	return open(ctx, tx, productID, quantity)
}

// Level is how much there is of a product. It fails with ErrNotFound.
func (s *Service) Level(ctx context.Context, productID int64) (Level, error) {
	return level(ctx, s.db, productID)
}

// Reserve speaks for all lines or none. Called again for the same order it answers the same reservation. It fails with
// ErrUnknown, ErrOutOfStock, or ErrReleased where the order has already given its reservation back.
func (s *Service) Reserve(ctx context.Context, order shop.OrderID, wanted []Wanted) (r Reservation, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		claimed, err := claim(ctx, tx, order, s.hold)
		if err != nil {
			return err
		}
		if claimed {
			if err := takeAll(ctx, tx, order, wanted); err != nil {
				return err // and the claim goes with the transaction
			}
		}
		if r, err = reservation(ctx, tx, order); err != nil {
			return err
		}
		if r.State != StateHeld && r.State != StateCommitted {
			return ErrReleased
		}
		return nil
	})
	return r, err
}

func takeAll(ctx context.Context, tx pgx.Tx, order shop.OrderID, wanted []Wanted) error {
	products, _ := columns(wanted)
	if err := lockProducts(ctx, tx, products); err != nil {
		return err
	}
	lines, err := take(ctx, tx, order, wanted)
	if err != nil {
		return err
	}
	return refusal(lines)
}

// Commit makes a reservation a sale: the goods leave the shelf. Called again it changes nothing. It fails with
// ErrReleased where there is nothing to commit any more.
func (s *Service) Commit(ctx context.Context, order shop.OrderID) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		state, err := lock(ctx, tx, order)
		switch {
		case err != nil || state == StateCommitted:
			return err
		case state != StateHeld:
			return ErrReleased
		}
		if err := sell(ctx, tx, order); err != nil {
			return err
		}
		return setState(ctx, tx, order, StateCommitted)
	})
}

// Release gives back what an order holds: held stock becomes available, sold stock returns to the shelf. Called again,
// or for an order that reserved nothing, it changes nothing; a reservation that arrives later is refused.
func (s *Service) Release(ctx context.Context, order shop.OrderID) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := forestall(ctx, tx, order); err != nil {
			return err
		}
		state, err := lock(ctx, tx, order)
		switch {
		case err != nil:
			return err
		case state == StateHeld:
			if err := free(ctx, tx, order); err != nil {
				return err
			}
			return setState(ctx, tx, order, StateReleased)
		case state == StateCommitted:
			if err := shelve(ctx, tx, order); err != nil {
				return err
			}
			return setState(ctx, tx, order, StateReturned)
		}
		return nil
	})
}

// ReleaseExpired gives back reservations whose time is over and that are still held.
func (s *Service) ReleaseExpired(ctx context.Context) (released int, err error) {
	orders, err := expired(ctx, s.db)
	if err != nil {
		return 0, err
	}
	for _, order := range orders {
		err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
			state, err := lock(ctx, tx, order)
			if err != nil || state != StateHeld {
				return err
			}
			if err := free(ctx, tx, order); err != nil {
				return err
			}
			return setState(ctx, tx, order, StateReleased)
		})
		if err != nil {
			return released, err
		}
		released++
	}
	return released, nil
}

// expiryJob is the name under which the scheduler calls every so often; one replica gets each call.
const expiryJob = "release-expired-reservations"

// ScheduleExpiry asks the scheduler to have expired reservations released every 30 s.
func (s *Service) ScheduleExpiry(ctx context.Context, every sidecar.Schedule) error {
	return every(ctx, expiryJob, "@every 30s")
}
