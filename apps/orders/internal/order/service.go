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
	db    *event.Outbox
	calls Calls
}

// NewService works on an open database, and calls others.
func NewService(db *event.Outbox, calls Calls) *Service { return &Service{db, calls} }

// Place buys: it reserves the stock, keeps the order as pending, and emits orders.placed; charging comes after. It
// fails with ErrOutOfStock, ErrUnknown, ErrCurrencies or ErrCard. What is refused after the reservation gives it back;
// if it dies in between, or nobody knows whether the order was kept, the reservation expires by itself. Called again
// with the same key it answers the same order.
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

// PlaceWithID is Place for a caller who chose the order's id. There is never a second order of one id. It fails with
// idempotency.ErrReused where other items are reserved under the id: those of an earlier call that came to nothing.
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
		ShippingAddress: in.ShippingAddress, PaymentMethod: in.PaymentMethod,
	}
	lines, err := s.calls.Reserve(ctx, o.ID, items)
	if err != nil {
		return o, withOriginalPositions(err, first)
	}
	crash.At("place: reserved")
	o, err = s.create(ctx, o, items, lines, in)
	crash.At("place: kept")
	if err == nil && o.ID != id || err != nil && !fault.Of(err).Kind.Retryable() {
		s.releaseReservation(ctx, in.Key, id)
	}
	return o, err
}

// create makes an order of what is reserved. Who answers a repetition answers the order that was made first, whose id may
// be another.
func (s *Service) create(ctx context.Context, o Order, items []OrderItem, lines []Reserved, in NewOrder) (_ Order, err error) {
	if !matches(items, lines) {
		return o, idempotency.ErrReused
	}
	if o.Items, o.Total, o.Currency, err = total(lines); err != nil {
		return o, err
	}
	if o.Refunded, err = o.Refunded.In(o.Currency); err != nil {
		return o, err
	}
	return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Order, error) { return insertPlaced(ctx, tx, o, in.PaymentToken) })
}

// releaseReservation releases what is reserved for an order that will not be, as well as it can: else the reservation expires. Its
// id is used up then, so the key has to find another. Who makes the order at this very moment, with the same key, is
// waited for and keeps its stock; who comes later finds no stock, and the order is cancelled and paid back as one whose
// reservation expired; or has bought it by then, and keeps it.
func (s *Service) releaseReservation(ctx context.Context, key idempotency.Key, id shop.OrderID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := idempotency.Abandon(ctx, s.db.Pool, key, id.UUID)
	if err == nil {
		_, err = s.GoodsState(ctx, id)
	}
	switch {
	case err == nil: // a repetition of this call was faster, and made it
		return
	case errors.Is(err, ErrNotFound):
		err = s.calls.Release(ctx, id)
	}
	if err != nil {
		slog.WarnContext(ctx, "what is reserved for no order stays so until it expires", "order", id, "err", err)
	}
}

// insertPlaced keeps a new order and the first step of its history.
func insertPlaced(ctx context.Context, tx event.TX, o Order, paymentToken string) (Order, error) {
	if err := insert(ctx, tx, &o, paymentToken); err != nil {
		return o, err
	}
	o.History = []StatusChange{{Status: Pending, At: o.PlacedAt, By: o.UserID.String()}}
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
			return page, ErrForbidden
		}
		f.UserID = &who.ID
	}
	before := maxID
	if err := q.Cursor.Into(&before); err != nil {
		return page, err
	}
	found, err := list(ctx, s.db, f, before, q.Limit+1)
	if err != nil {
		return page, err
	}
	return web.NewPage(found, q.Limit, func(o Order) any { return o.ID })
}

// maxID is an id that comes after every order's.
var maxID = shop.OrderID{UUID: uuid.Max}

// Get is one order with its history; an admin also sees how the platform carries it. It fails with ErrNotFound, also
// for somebody else's.
func (s *Service) Get(ctx context.Context, who shop.Caller, id shop.OrderID) (Order, error) {
	o, err := load(ctx, s.db, id)
	if err != nil {
		return o, err
	}
	if o.UserID != who.ID && !who.May(shop.ManageOrders) {
		return Order{}, ErrNotFound
	}
	o.Admin, err = s.diagnostics(ctx, who, o)
	return o, err
}

// load is an order with its history and its refunds.
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

// PaidBetween are the orders that were paid in a time and not wholly given back since.
func (s *Service) PaidBetween(ctx context.Context, from, to time.Time) ([]shop.OrderID, error) {
	return paidBetween(ctx, s.db, from, to)
}

// OpenRefunds are the refunds of an order that are not settled and have not failed, the oldest first.
func (s *Service) OpenRefunds(ctx context.Context, id shop.OrderID) ([]Refund, error) {
	return openRefunds(ctx, s.db, id)
}

// HasUnsettledRefunds says whether an order has refunds that are not settled, those that failed among them.
func (s *Service) HasUnsettledRefunds(ctx context.Context, id shop.OrderID) (bool, error) {
	return hasUnsettledRefunds(ctx, s.db, id)
}

// FailRefund notes that a refund cannot be made, and why; late, that it failed though it counted as made. Called again it
// changes nothing.
func (s *Service) FailRefund(ctx context.Context, r Refund, why string, late bool) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return failRefund(ctx, tx, r, why, late) })
}

// RefundFailed notes that a refund failed which the provider had taken on, and answers the money that did not go back.
// The provider may tell it twice, before the refund is noted as settled, and after it was tried again: that is another
// refund to the provider, and found is false.
func (s *Service) RefundFailed(ctx context.Context, id shop.OrderID, asked uuid.UUID, why string) (kept payment.Record, found bool, err error) {
	all, err := refunds(ctx, s.db, id)
	i := slices.IndexFunc(all, func(r Refund) bool { return r.ProviderRefundID() == asked })
	if err != nil || i < 0 {
		return kept, false, err
	}
	return all[i].Outstanding(), true, s.FailRefund(ctx, all[i], why, true)
}

// CancellationRefund is what a provider knows the refund by that ended an order; nil where there is none.
func (s *Service) CancellationRefund(ctx context.Context, id shop.OrderID) (uuid.UUID, error) {
	all, err := refunds(ctx, s.db, id)
	if i := slices.IndexFunc(all, func(r Refund) bool { return r.Void }); i >= 0 {
		return all[i].ProviderRefundID(), err
	}
	return uuid.Nil, err
}

// RefundedBefore is what of an order counts as given back since before a moment.
func (s *Service) RefundedBefore(ctx context.Context, id shop.OrderID, before time.Time) (shop.Money, error) {
	return refundedBefore(ctx, s.db, id, before)
}

// RestockedItems is how much of each product has to be back on the shelf, all refunds of the order taken together.
func (s *Service) RestockedItems(ctx context.Context, id shop.OrderID) ([]OrderItem, error) {
	return restockedItems(ctx, s.db, id)
}

// SettleRefund notes that a refund went back. Called again it changes nothing.
func (s *Service) SettleRefund(ctx context.Context, r Refund) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return settleRefund(ctx, tx, r) })
}
