package order

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/crash"
	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations create the tables of orders.
var Migrations = postgres.Migrations{Name: "order", Files: postgres.Sub(files)}

// Service implements the operations on orders.
type Service struct {
	db    *event.Outbox
	calls Calls
}

// NewService makes the service of the orders in db.
func NewService(db *event.Outbox, calls Calls) *Service { return &Service{db, calls} }

// Place reserves the stock, creates a pending order and emits orders.placed; the order is charged in the background. It
// fails with ErrOutOfStock, ErrUnknownProduct, ErrMixedCurrencies or ErrCardNumber. If the order is refused after the
// reservation, the reservation is released; after a crash, or if the result of the transaction is unknown, it expires.
// A repeated request with the same key returns the same order.
func (s *Service) Place(ctx context.Context, buyer shop.UserID, in NewOrder) (o Order, err error) {
	id, earlier, err := idempotency.Begin[Order](ctx, s.db.Pool, in.Key)
	if err != nil {
		return o, err
	}
	if earlier != nil {
		return *earlier, nil
	}
	return s.PlaceWithID(ctx, buyer, shop.OrderID{UUID: id}, in)
}

// PlaceWithID is Place with an id that the caller chose. An id never has two orders. It fails with
// idempotency.ErrReused if an earlier, failed request reserved other items under the id.
func (s *Service) PlaceWithID(ctx context.Context, buyer shop.UserID, id shop.OrderID, in NewOrder) (o Order, err error) {
	if isCard(in.PaymentToken) {
		return o, ErrCardNumber
	}
	items, first, err := mergeItems(in.Items)
	if err != nil {
		return o, err
	}
	o = Order{
		ID: id, Number: newNumber(), UserID: buyer, Status: Pending,
		ShippingAddress: Address(in.ShippingAddress), PaymentMethod: in.PaymentMethod,
	}
	lines, err := s.calls.Reserve(ctx, o.ID, items)
	if err != nil {
		return o, withOriginalPositions(err, first)
	}
	crash.At("place: reserved")
	o, err = s.create(ctx, o, items, lines, in)
	crash.At("place: created")
	if err == nil && o.ID != id || err != nil && !fault.Of(err).Kind.Retryable() {
		s.releaseReservation(ctx, in.Key, id)
	}
	return o, err
}

// create creates the order of a reservation. For a repeated request it returns the first order, whose id may be
// another.
func (s *Service) create(
	ctx context.Context, o Order, items []OrderItem, lines []Reserved, in NewOrder,
) (_ Order, err error) {
	if !matches(items, lines) {
		return o, idempotency.ErrReused
	}
	if o.Items, o.Total, o.Currency, err = total(lines); err != nil {
		return o, err
	}
	if o.Refunded, err = o.Refunded.In(o.Currency); err != nil {
		return o, err
	}
	return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Order, error) {
		if err := insert(ctx, tx, &o, in.PaymentToken); err != nil {
			return o, err
		}
		o.History = []StatusChange{{Status: Pending, At: o.PlacedAt, By: o.UserID.String()}}
		return o, event.Emit(ctx, tx, shop.OrderPlaced{
			OrderID: o.ID, Number: o.Number, UserID: o.UserID, Total: o.Total, Currency: o.Currency, Items: o.Items,
			PlacedAt: o.PlacedAt,
		})
	})
}

// releaseReservation releases the reservation of an order that was not created; if it fails, the reservation expires.
// The key gets another id, because a released reservation cannot be made again. A concurrent request with the same key
// that is creating the order wins and keeps its reservation. A later one finds it released; its order is cancelled and
// refunded like an expired one.
func (s *Service) releaseReservation(ctx context.Context, key idempotency.Key, id shop.OrderID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := idempotency.Abandon(ctx, s.db.Pool, key, id.UUID)
	if err == nil {
		_, err = s.GoodsState(ctx, id)
	}
	if errors.Is(err, ErrNotFound) { // otherwise a repeated request has created the order
		err = s.calls.Release(ctx, id)
	}
	if err != nil {
		slog.WarnContext(ctx, "reservation not released, it will expire", "order", id, "err", err)
	}
}

// Filter narrows a list. Only an admin may list the orders of other users.
type Filter struct {
	UserID *shop.UserID `query:"user_id" doc:"Orders of this user; for admins."`
	Status Status       `query:"status" validate:"omitempty,oneof=pending paid shipped delivered cancelled refunded partially_refunded"`
}

// maxID is greater than every order's id.
var maxID = shop.OrderID{UUID: uuid.Max}

// List returns the caller's own orders, and all orders to an admin, newest first. It fails with ErrForbidden.
func (s *Service) List(ctx context.Context, caller shop.Caller, f Filter, q web.PageQuery) (web.Page[Order], error) {
	if !caller.May(shop.ManageOrders) {
		if f.UserID != nil && *f.UserID != caller.ID {
			return web.Page[Order]{}, ErrForbidden
		}
		f.UserID = &caller.ID
	}
	read := func(before shop.OrderID, limit int) ([]Order, error) { return list(ctx, s.db, f, before, limit) }
	return web.PageOf(q, maxID, read, func(o Order) shop.OrderID { return o.ID })
}

// Get returns an order with its history and refunds, and its diagnostics to an admin. It fails with ErrNotFound, also
// for the order of another user.
func (s *Service) Get(ctx context.Context, caller shop.Caller, id shop.OrderID) (Order, error) {
	o, err := load(ctx, s.db, id)
	if err != nil {
		return o, err
	}
	if caller.May(shop.ManageOrders) {
		o.Admin, err = s.diagnostics(ctx, o)
	} else if o.UserID != caller.ID {
		return Order{}, ErrNotFound
	}
	return o, err
}

// load returns an order with its history and refunds.
func load(ctx context.Context, db postgres.Reader, id shop.OrderID) (o Order, err error) {
	if o, err = get(ctx, db, id); err != nil {
		return o, err
	}
	if o.History, err = history(ctx, db, id); err != nil {
		return o, err
	}
	o.Refunds, err = refunds(ctx, db, id)
	return o, err
}

// GoodsState is the status of an order's goods and the time of its last change.
type GoodsState struct {
	Status Status    `json:"status"`
	Since  time.Time `json:"since"`
}

// GoodsState returns the state of an order's goods. It fails with ErrNotFound.
func (s *Service) GoodsState(ctx context.Context, id shop.OrderID) (GoodsState, error) {
	o, err := get(ctx, s.db, id)
	if err != nil {
		return GoodsState{}, err
	}
	state := GoodsState{Status: o.GoodsStatus(), Since: o.UpdatedAt}
	switch {
	case state.Status == Paid && o.PaidAt != nil:
		state.Since = *o.PaidAt
	case state.Status == Shipped && o.ShippedAt != nil:
		state.Since = *o.ShippedAt
	}
	return state, nil
}

// Bill is what is charged for an order.
type Bill struct {
	Status       Status
	Total        shop.Money
	Currency     string
	PaymentToken string
}

// Erase erases the personal data in a user's orders: addresses, texts, tracking numbers, payment tokens, stored
// responses to repeated requests, and dead letters, whose work the recovery sweep does. What was sold for how much
// stays, as the law requires. An open order keeps its address until its end. Erase is idempotent.
func (s *Service) Erase(ctx context.Context, user shop.UserID) error {
	return s.db.Tx(ctx, func(tx event.TX) error {
		if err := erase(ctx, tx, user); err != nil {
			return err
		}
		if err := eraseReasons(ctx, tx, user); err != nil {
			return err
		}
		if err := event.PurgeUser(ctx, tx, user); err != nil {
			return err
		}
		return idempotency.PurgeUser(ctx, tx, user)
	})
}

// Export returns all orders of a user with histories and refunds, newest first.
func (s *Service) Export(ctx context.Context, user shop.UserID) ([]Order, error) {
	orders := []Order{}
	before := maxID
	for {
		page, err := list(ctx, s.db, Filter{UserID: &user}, before, 100)
		if err != nil || len(page) == 0 {
			return orders, err
		}
		for _, o := range page {
			if o, err = load(ctx, s.db, o.ID); err != nil {
				return nil, err
			}
			orders = append(orders, o)
		}
		before = page[len(page)-1].ID
	}
}
