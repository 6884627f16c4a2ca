package order

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/orders/internal/payment"
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

// Migrations are the orders' tables.
var Migrations = postgres.Migrations{Name: "order", Files: postgres.Sub(files)}

// Service does what can be done with orders.
type Service struct {
	db      *event.Outbox
	reserve Reserve
	release Release
	look    LookInside
	told    AskTold
}

// NewService works on an open database, asks reserve for stock, and release to take back what no order is made of.
func NewService(db *event.Outbox, reserve Reserve, release Release) *Service {
	s := &Service{db: db, reserve: reserve, release: release}
	s.ShowInside(func(context.Context, shop.OrderID) (*Workflow, *payment.Payment) { return nil, nil },
		func(context.Context, shop.UserID, shop.OrderID) ([]Told, error) { return nil, nil })
	return s
}

// Place buys: it reserves the stock, keeps the order as pending, and tells orders.placed; charging comes after. It fails
// with ErrOutOfStock, ErrUnknown, ErrCurrencies or ErrCard. What is refused after the reservation gives it back; if it dies in
// between, or nobody knows whether the order was kept, the reservation expires by itself. Called again with the same key it answers
// the same order.
func (s *Service) Place(ctx context.Context, buyer shop.UserID, in Basket) (o Order, err error) {
	id, earlier, err := idempotency.Before[Order](ctx, s.db.Pool, in.Key)
	if err != nil {
		return o, err
	}
	if earlier != nil {
		return *earlier, nil
	}
	return s.PlaceAs(ctx, buyer, shop.OrderID{UUID: id}, in)
}

// PlaceAs is Place for a caller who chose the order's id. There is never a second order of one id. It fails with
// idempotency.ErrReused where other items are reserved under the id: those of an earlier call that came to nothing.
func (s *Service) PlaceAs(ctx context.Context, buyer shop.UserID, id shop.OrderID, in Basket) (o Order, err error) {
	if isCard(in.PaymentToken) {
		return o, ErrCard
	}
	items, first, err := merged(in.Items)
	if err != nil {
		return o, err
	}
	o = Order{
		ID: id, Number: newNumber(), UserID: buyer, Status: Pending,
		ShippingAddress: in.ShippingAddress, PaymentMethod: in.PaymentMethod,
	}
	lines, err := s.reserve(ctx, o.ID, items)
	if err != nil {
		return o, replaced(err, first)
	}
	crash.At("place: reserved")
	o, err = s.keep(ctx, o, items, lines, in)
	crash.At("place: kept")
	if err == nil && o.ID != id || err != nil && !fault.Of(err).Kind.Retryable() {
		s.letGo(ctx, in.Key, id)
	}
	return o, err
}

// keep makes an order of what is reserved. Who answers a repetition answers the order that was made first, whose id may be another.
func (s *Service) keep(ctx context.Context, o Order, items []Item, lines []Reserved, in Basket) (_ Order, err error) {
	if !reserved(items, lines) {
		return o, idempotency.ErrReused
	}
	if o.Items, o.Total, o.Currency, err = total(lines); err != nil {
		return o, err
	}
	if o.Refunded, err = o.Refunded.In(o.Currency); err != nil {
		return o, err
	}
	return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Order, error) { return open(ctx, tx, o, in.PaymentToken) })
}

// letGo gives back what is reserved for an order that will not be, as well as it can: else the reservation expires. Its id is used
// up then, so the key has to find another. Who makes the order at this very moment, with the same key, is waited for and keeps
// its stock; who comes later finds no stock, and the order is cancelled and paid back as one whose reservation expired; or has bought it by then,
// and keeps it.
func (s *Service) letGo(ctx context.Context, key idempotency.Key, id shop.OrderID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := idempotency.Abandon(ctx, s.db.Pool, key, id.UUID)
	if err == nil {
		_, err = s.Standing(ctx, id)
	}
	switch {
	case err == nil: // a repetition of this call was faster, and made it
		return
	case errors.Is(err, ErrNotFound):
		err = s.release(ctx, id)
	}
	if err != nil {
		slog.WarnContext(ctx, "what is reserved for no order stays so until it expires", "order", id, "err", err)
	}
}

// open keeps a new order and the first step of its history.
func open(ctx context.Context, tx event.TX, o Order, paymentToken string) (Order, error) {
	if err := insert(ctx, tx, &o, paymentToken); err != nil {
		return o, err
	}
	o.History = []Step{{Status: Pending, At: o.PlacedAt, By: o.UserID.String()}}
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
	before := last
	if err := q.Cursor.Into(&before); err != nil {
		return page, err
	}
	found, err := list(ctx, s.db, f, before, q.Limit+1)
	if err != nil {
		return page, err
	}
	return web.NewPage(found, q.Limit, func(o Order) any { return o.ID })
}

// last is an id that comes after every order's.
var last = shop.OrderID{UUID: uuid.Max}

// Get is one order with its history; an admin also sees how the platform carries it. It fails with ErrNotFound, also for somebody else's.
func (s *Service) Get(ctx context.Context, who shop.Caller, id shop.OrderID) (Order, error) {
	o, err := whole(ctx, s.db, id)
	if err != nil {
		return o, err
	}
	if o.UserID != who.ID && !who.May(shop.ManageOrders) {
		return Order{}, ErrNotFound
	}
	o.Admin, err = s.inside(ctx, who, o)
	return o, err
}

// whole is an order with its history and its refunds.
func whole(ctx context.Context, db postgres.Reader, id shop.OrderID) (o Order, err error) {
	if o, err = get(ctx, db, id); err != nil {
		return o, err
	}
	if o.History, err = history(ctx, db, id); err != nil {
		return o, err
	}
	o.Refunds, err = refunds(ctx, db, id)
	return o, err
}

// Statuses counts the orders that were placed in a time by their status.
func (s *Service) Statuses(ctx context.Context, from, to time.Time) (map[string]int64, error) {
	return statuses(ctx, s.db, from, to)
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

// Upkeep finds the orders that somebody has to look after, some hundreds at a time at most, the oldest first.
type Upkeep struct{ db *pgxpool.Pool }

// Upkeep looks through all orders.
func (s *Service) Upkeep() Upkeep { return Upkeep{s.db.Pool} }

// Pending are orders that have waited to be paid since before a moment.
func (u Upkeep) Pending(ctx context.Context, before time.Time) ([]shop.OrderID, error) {
	return pendingSince(ctx, u.db, before)
}

// Unshipped are orders that were paid before a moment and have not shipped.
func (u Upkeep) Unshipped(ctx context.Context, before time.Time) ([]shop.OrderID, error) {
	return unshippedSince(ctx, u.db, before)
}

// Undelivered are orders that shipped before a moment and have not arrived.
func (u Upkeep) Undelivered(ctx context.Context, before time.Time) ([]shop.OrderID, error) {
	return undeliveredSince(ctx, u.db, before)
}

// Owing are orders with refunds that were decided before a moment and are not settled.
func (u Upkeep) Owing(ctx context.Context, before time.Time) ([]shop.OrderID, error) {
	return owingSince(ctx, u.db, before)
}

// Ended is an order that came to its end. The zero value is before all.
type Ended struct {
	ID        shop.OrderID
	UpdatedAt time.Time
}

// Ended are orders that came to their end before a moment, and whose workflow was not forgotten yet; a page of them, after another.
func (u Upkeep) Ended(ctx context.Context, before time.Time, after Ended) ([]Ended, error) {
	return endedSince(ctx, u.db, before, after)
}

// PaidBetween are the bills of orders that were paid in a time and not wholly given back since.
func (u Upkeep) PaidBetween(ctx context.Context, from, to time.Time) ([]Bill, error) {
	return paidBetween(ctx, u.db, from, to)
}

// Forgotten notes that an order's workflow is no more.
func (u Upkeep) Forgotten(ctx context.Context, id shop.OrderID) error {
	return pgx.BeginFunc(ctx, u.db, func(tx pgx.Tx) error { return forget(ctx, tx, id) })
}

// Owed are the refunds of an order that are not settled and have not failed, the oldest first.
func (s *Service) Owed(ctx context.Context, id shop.OrderID) ([]Refund, error) {
	return owed(ctx, s.db, id)
}

// Open says whether an order has refunds that are not settled, those that failed among them.
func (s *Service) Open(ctx context.Context, id shop.OrderID) (bool, error) {
	return anyUnsettled(ctx, s.db, id)
}

// Fail notes that a refund cannot be made, and why; late, that it failed though it counted as made. Called again it changes nothing.
func (s *Service) Fail(ctx context.Context, r Refund, why string, late bool) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return fail(ctx, tx, r, why, late) })
}

// Asked is the refund of an order that a provider knows by an id. There is none where that was tried again meanwhile.
func (s *Service) Asked(ctx context.Context, id shop.OrderID, asked uuid.UUID) (r Refund, found bool, err error) {
	all, err := refunds(ctx, s.db, id)
	if i := slices.IndexFunc(all, func(r Refund) bool { return r.Asked() == asked }); i >= 0 {
		return all[i], true, err
	}
	return r, false, err
}

// CallsOff is what a provider knows the refund by that ended an order; nil where there is none.
func (s *Service) CallsOff(ctx context.Context, id shop.OrderID) (uuid.UUID, error) {
	all, err := refunds(ctx, s.db, id)
	if i := slices.IndexFunc(all, func(r Refund) bool { return r.CallsOff }); i >= 0 {
		return all[i].Asked(), err
	}
	return uuid.Nil, err
}

// GivenBack is what of an order counts as given back since before a moment.
func (s *Service) GivenBack(ctx context.Context, id shop.OrderID, before time.Time) (shop.Money, error) {
	return givenBack(ctx, s.db, id, before)
}

// Returned is how much of each product has to be back on the shelf, all refunds of the order taken together.
func (s *Service) Returned(ctx context.Context, id shop.OrderID) ([]Item, error) {
	return returned(ctx, s.db, id)
}

// Settle notes that a refund went back. Called again it changes nothing.
func (s *Service) Settle(ctx context.Context, r Refund) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return settle(ctx, tx, r) })
}
