package order

import (
	"context"
	"embed"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the orders' tables.
var Migrations = postgres.Migrations{Name: "order", Files: postgres.Sub(files)}

// Service does what can be done with orders.
type Service struct {
	db      *pgxpool.Pool
	reserve Reserve
}

// NewService works on an open database and asks reserve for stock.
func NewService(db *pgxpool.Pool, reserve Reserve) *Service { return &Service{db, reserve} }

// Place buys: it reserves the stock, keeps the order as pending, and tells orders.placed; charging comes after. It fails
// with ErrOutOfStock, ErrUnknown or ErrCurrencies. If it dies between reservation and insert, the reservation expires
// by itself.
func (s *Service) Place(ctx context.Context, buyer shop.UserID, in Basket) (o Order, err error) {
	items, first, err := merged(in.Items)
	if err != nil {
		return o, err
	}
	id, earlier, err := idempotency.Before[Order](ctx, s.db, in.Key)
	if err != nil {
		return o, err
	}
	if earlier != nil {
		return *earlier, nil
	}
	o = Order{
		ID: shop.OrderID{UUID: id}, Number: newNumber(), UserID: buyer, Status: Pending,
		ShippingAddress: in.ShippingAddress, PaymentMethod: in.PaymentMethod,
	}
	lines, err := s.reserve(ctx, o.ID, items)
	if err != nil {
		return o, replaced(err, first)
	}
	if o.Items, o.Total, o.Currency, err = total(lines); err != nil {
		return o, err
	}
	return idempotency.Do(ctx, s.db, in.Key, func(tx pgx.Tx) (Order, error) { return open(ctx, tx, o, in.PaymentToken) })
}

// open keeps a new order and the first step of its history.
func open(ctx context.Context, tx pgx.Tx, o Order, paymentToken string) (Order, error) {
	if err := insert(ctx, tx, &o, paymentToken); err != nil {
		return o, err
	}
	step := Step{Status: Pending, At: o.PlacedAt, By: o.UserID.String()}
	if err := note(ctx, tx, o.ID, step); err != nil {
		return o, err
	}
	o.History = []Step{step}
	return o, event.Emit(ctx, tx, shop.OrderPlaced{
		OrderID: o.ID, Number: o.Number, UserID: o.UserID, Total: o.Total, Currency: o.Currency, Items: o.Items, PlacedAt: o.PlacedAt,
	})
}

// Filter narrows a list. Only an admin may look beyond their own orders.
type Filter struct {
	UserID *shop.UserID `query:"user_id"`
	Status Status       `query:"status" validate:"omitempty,oneof=pending paid shipped delivered cancelled refunded partially_refunded"`
}

// List is the caller's own orders, an admin's everybody's, the newest first. It fails with ErrOthers.
func (s *Service) List(ctx context.Context, who shop.Caller, f Filter, q web.PageQuery) (page web.Page[Order], err error) {
	if !who.May(shop.ManageOrders) {
		if f.UserID != nil && *f.UserID != who.ID {
			return page, ErrOthers
		}
		f.UserID = &who.ID
	}
	before := shop.OrderID{UUID: uuid.Max}
	if err := q.Cursor.Into(&before); err != nil {
		return page, err
	}
	found, err := list(ctx, s.db, f, before, q.Limit+1)
	if err != nil {
		return page, err
	}
	return web.NewPage(found, q.Limit, func(o Order) any { return o.ID })
}

// Get is one order with its history. It fails with ErrNotFound, also for somebody else's.
func (s *Service) Get(ctx context.Context, who shop.Caller, id shop.OrderID) (o Order, err error) {
	if o, err = get(ctx, s.db, id); err != nil {
		return o, err
	}
	if o.UserID != who.ID && !who.May(shop.ManageOrders) {
		return Order{}, ErrNotFound
	}
	o.History, err = history(ctx, s.db, id)
	return o, err
}

// Cancel gives up on an order that has not shipped. Its stock and money go back by themselves. It fails with ErrNotFound
// or ErrTransition.
func (s *Service) Cancel(ctx context.Context, who shop.Caller, id shop.OrderID, reason string) (o Order, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if o, err = lock(ctx, tx, id); err != nil {
			return err
		}
		if o.UserID != who.ID && !who.May(shop.ManageOrders) {
			return ErrNotFound
		}
		return cancel(ctx, tx, &o, who.ID.String(), reason)
	})
	if err != nil {
		return o, err
	}
	return s.Get(ctx, who, id)
}

func cancel(ctx context.Context, tx pgx.Tx, o *Order, by, reason string) error {
	if err := move(ctx, tx, o, Step{Status: Cancelled, By: by, Reason: reason}); err != nil {
		return err
	}
	return event.Emit(ctx, tx, shop.OrderCancelled{OrderID: o.ID, Number: o.Number, UserID: o.UserID, Reason: reason})
}

// Bill is what has to be charged for an order.
type Bill struct {
	OrderID      shop.OrderID
	Status       Status
	Total        shop.Money
	Currency     string
	Method       string
	PaymentToken string
}

// Bill fails with ErrNotFound.
func (s *Service) Bill(ctx context.Context, id shop.OrderID) (Bill, error) {
	return bill(ctx, s.db, id)
}

// MarkPaid notes that an order is charged and its goods are sold, and tells orders.paid. Called again it changes
// nothing. It fails with ErrTransition where the order was cancelled meanwhile.
func (s *Service) MarkPaid(ctx context.Context, id shop.OrderID, reference string) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		o, err := lock(ctx, tx, id)
		if err != nil || o.Status == Paid {
			return err
		}
		if err := move(ctx, tx, &o, Step{Status: Paid, By: System, Reason: "charged, reference " + reference}); err != nil {
			return err
		}
		return event.Emit(ctx, tx, shop.OrderPaid{OrderID: o.ID, Number: o.Number, UserID: o.UserID, Total: o.Total, Currency: o.Currency})
	})
}

// GiveUp cancels an order that cannot be paid, and tells orders.cancelled. An order that is cancelled already stays so.
// It fails with ErrTransition past that point.
func (s *Service) GiveUp(ctx context.Context, id shop.OrderID, reason string) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		o, err := lock(ctx, tx, id)
		if err != nil || o.Status == Cancelled {
			return err
		}
		return cancel(ctx, tx, &o, System, reason)
	})
}

// move takes an order to another status, which is noted in its history. It fails with ErrTransition where next does not
// allow it. The order is locked.
func move(ctx context.Context, tx pgx.Tx, o *Order, to Step) error {
	if !o.Status.MayBecome(to.Status) {
		return ErrTransition
	}
	at, err := setStatus(ctx, tx, o.ID, to.Status)
	if err != nil {
		return err
	}
	o.Status, o.UpdatedAt, to.At = to.Status, at, at
	return note(ctx, tx, o.ID, to)
}

// IsPending says whether an order still waits to be paid. An order that does not exist does not.
func (s *Service) IsPending(ctx context.Context, id shop.OrderID) (bool, error) {
	b, err := bill(ctx, s.db, id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return b.Status == Pending, err
}

// PendingSince is up to 100 orders that have waited to be paid since before a moment, the oldest first.
func (s *Service) PendingSince(ctx context.Context, before time.Time) ([]shop.OrderID, error) {
	return pendingSince(ctx, s.db, before, 100)
}
