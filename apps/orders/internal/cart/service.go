package cart

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

// Service does what can be done with carts.
type Service struct {
	db     *pgxpool.Pool // where the answers to repeated checkouts are
	store  Store
	prices Prices
	orders *order.Service
}

// NewService keeps carts in memory, asks prices, and has orders made of them.
func NewService(db *pgxpool.Pool, memory Store, prices Prices, orders *order.Service) *Service {
	return &Service{db, memory, prices, orders}
}

// Get is somebody's cart at the prices of this moment. One that nobody filled is empty.
func (s *Service) Get(ctx context.Context, owner shop.UserID) (Cart, error) {
	kept, err := s.change(ctx, owner, func(k StoredCart) (StoredCart, error) { return k, nil })
	if err != nil {
		return Cart{}, err
	}
	return s.price(ctx, kept)
}

// Put sets how many of a product are in the cart. It fails with ErrNoProduct, ErrArchived or ErrFull. More than there
// is can be put there; the cart says so.
func (s *Service) Put(ctx context.Context, owner shop.UserID, item order.OrderItem) (Cart, error) {
	found, err := s.prices(ctx, []int64{item.ProductID})
	if err != nil {
		return Cart{}, err
	}
	p, known := found[item.ProductID]
	switch {
	case !known:
		return Cart{}, ErrNoProduct
	case p.Archived:
		return Cart{}, ErrArchived
	}
	l := StoredItem{ProductID: item.ProductID, Quantity: item.Quantity, UnitPrice: p.UnitPrice, Currency: p.Currency}
	kept, err := s.change(ctx, owner, func(k StoredCart) (StoredCart, error) { return k.withItem(l) })
	if err != nil {
		return Cart{}, err
	}
	return s.price(ctx, kept)
}

// Remove takes a product out of the cart, if it is in it.
func (s *Service) Remove(ctx context.Context, owner shop.UserID, product int64) (Cart, error) {
	kept, err := s.change(ctx, owner, func(k StoredCart) (StoredCart, error) { return k.without(product), nil })
	if err != nil {
		return Cart{}, err
	}
	return s.price(ctx, kept)
}

// Empty takes everything out. An order that is being made of the cart goes on.
func (s *Service) Empty(ctx context.Context, owner shop.UserID) error {
	_, err := s.change(ctx, owner, func(k StoredCart) (StoredCart, error) { return StoredCart{Checkout: k.Checkout}, nil })
	return err
}

func (s *Service) price(ctx context.Context, k StoredCart) (Cart, error) {
	if len(k.Items) == 0 {
		return priceCart(k, nil)
	}
	products := make([]int64, len(k.Items))
	for i, l := range k.Items {
		products[i] = l.ProductID
	}
	prices, err := s.prices(ctx, products)
	if err != nil {
		return Cart{}, err
	}
	return priceCart(k, prices)
}

// attempts is how often a change is tried while others change the same cart.
const attempts = 20

// change loads a cart, mends it if a checkout was cut off, changes it, and keeps it unless somebody else did meanwhile:
// then it begins again, so that two tabs lose nothing. It fails with ErrCrowded.
func (s *Service) change(ctx context.Context, owner shop.UserID, do func(StoredCart) (StoredCart, error)) (StoredCart, error) {
	for range attempts {
		before, version, err := s.store.Load(ctx, owner)
		if err != nil {
			return StoredCart{}, err
		}
		mended, err := s.finishCheckout(ctx, before, time.Now())
		if err != nil {
			return StoredCart{}, err
		}
		after, err := do(mended)
		if err != nil {
			return StoredCart{}, err
		}
		err = s.save(ctx, owner, before, after, version)
		if !errors.Is(err, sidecar.ErrConcurrentUpdate) {
			return after, err
		}
	}
	return StoredCart{}, ErrConflict
}

func (s *Service) save(ctx context.Context, owner shop.UserID, before, after StoredCart, version string) error {
	switch {
	case equal(before, after):
		return nil
	case len(after.Items) == 0 && after.Checkout == nil:
		if version == "" {
			return nil
		}
		return s.store.Drop(ctx, owner, version)
	}
	return s.store.Save(ctx, owner, after, version)
}

// finishCheckout is a cart without the traces of a checkout that was cut off: where its order is there, what was ordered is
// taken out, and where it never will be, all of it is left in.
func (s *Service) finishCheckout(ctx context.Context, k StoredCart, now time.Time) (StoredCart, error) {
	if k.Checkout == nil {
		return k, nil
	}
	_, err := s.orders.GoodsState(ctx, k.Checkout.OrderID)
	switch {
	case err == nil:
		return k.withoutOrdered(k.Checkout.Items), nil
	case errors.Is(err, order.ErrNotFound) && now.Sub(k.Checkout.Since) > checkoutTimeout:
		k.Checkout = nil
		return k, nil
	case errors.Is(err, order.ErrNotFound):
		return k, nil
	}
	return k, err
}

// Checkout is what a checkout says beside the cart.
type Checkout struct {
	idempotency.Key
	ShippingAddress order.Address `json:"shipping_address" validate:"required"`
	PaymentMethod   string        `json:"payment_method" validate:"required,oneof=credit_card debit_card paypal bank_transfer apple_pay google_pay" example:"credit_card"`
	PaymentToken    string        `json:"payment_token" validate:"max=255,line"`
}

// Checkout makes an order of the cart, and takes out of it what was ordered. It fails with ErrEmpty, ErrCheckout where
// another checkout of the cart is on its way, idempotency.ErrReused where the key was used for what was in the cart before, and as
// order.Place does; the cart is then as it was. Wherever it is cut off,
// there is an order and the lines leave the cart, or there is none and they stay: the cart remembers which order to look
// for before the order is made.
func (s *Service) Checkout(ctx context.Context, buyer shop.UserID, in Checkout) (o order.Order, err error) {
	id, earlier, err := idempotency.Begin[order.Order](ctx, s.db, in.Key)
	if err != nil {
		return o, err
	}
	if earlier != nil {
		return *earlier, nil
	}
	checkout, err := s.beginCheckout(ctx, buyer, shop.OrderID{UUID: id})
	if errors.Is(err, errPlaced) {
		return s.orders.Get(ctx, shop.Caller{ID: buyer, Role: shop.User}, shop.OrderID{UUID: id})
	}
	if err != nil {
		return o, err
	}
	o, err = s.orders.PlaceWithID(ctx, buyer, checkout.OrderID, order.NewOrder{
		Key: in.Key, Items: checkout.Items, ShippingAddress: in.ShippingAddress, PaymentMethod: in.PaymentMethod, PaymentToken: in.PaymentToken,
	})
	if err == nil {
		checkout.Items = o.OrderItems() // a repetition may be answered with the order of an earlier call
	}
	if endErr := s.endCheckout(context.WithoutCancel(ctx), buyer, checkout, err == nil); endErr != nil {
		slog.WarnContext(ctx, "the cart is mended when it is next looked at", "order", checkout.OrderID, "err", endErr)
	}
	return o, err
}

var errPlaced = errors.New("this checkout has its order already")

// beginCheckout notes in the cart which order is made of it. The same checkout, begun twice, goes on with what it began with.
func (s *Service) beginCheckout(ctx context.Context, buyer shop.UserID, id shop.OrderID) (PendingCheckout, error) {
	kept, err := s.change(ctx, buyer, func(k StoredCart) (StoredCart, error) {
		switch {
		case k.Checkout != nil && k.Checkout.OrderID == id:
			return k, nil
		case k.Checkout != nil:
			return k, ErrCheckout
		}
		// The same call may have come twice, and the other one is done: then the lines are not what it ordered any more.
		if _, err := s.orders.GoodsState(ctx, id); !errors.Is(err, order.ErrNotFound) {
			return k, errors.Join(err, errPlaced)
		}
		if len(k.Items) == 0 {
			return k, ErrEmpty
		}
		k.Checkout = &PendingCheckout{OrderID: id, Items: k.orderItems(), Since: time.Now().UTC()}
		return k, nil
	})
	if err != nil {
		return PendingCheckout{}, err
	}
	return *kept.Checkout, nil
}

// endCheckout takes out what was ordered, or only the note where nothing was. Whoever looked at the cart meanwhile may have done
// it already.
func (s *Service) endCheckout(ctx context.Context, buyer shop.UserID, c PendingCheckout, placed bool) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := s.change(ctx, buyer, func(k StoredCart) (StoredCart, error) {
		switch {
		case k.Checkout == nil || k.Checkout.OrderID != c.OrderID:
			return k, nil
		case placed:
			return k.withoutOrdered(c.Items), nil
		}
		k.Checkout = nil
		return k, nil
	})
	return err
}
