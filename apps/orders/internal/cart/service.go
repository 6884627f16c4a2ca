package cart

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

// Service implements the operations on carts.
type Service struct {
	db     *pgxpool.Pool // of the idempotency keys
	store  Store
	prices Prices
	orders *order.Service
}

// NewService makes the service of the carts in store.
func NewService(db *pgxpool.Pool, store Store, prices Prices, orders *order.Service) *Service {
	return &Service{db, store, prices, orders}
}

// Get returns a user's cart with current prices and stock.
func (s *Service) Get(ctx context.Context, owner shop.UserID) (Cart, error) {
	return s.priced(ctx, owner, func(*StoredCart) error { return nil })
}

// Set sets the quantity of a product in the cart. It fails with ErrNoProduct, ErrArchived or ErrFull. A quantity above
// the stock is accepted and noted in the cart.
func (s *Service) Set(ctx context.Context, owner shop.UserID, item order.OrderItem) (Cart, error) {
	found, err := s.prices(ctx, []int64{item.ProductID})
	if err != nil {
		return Cart{}, err
	}
	price, known := found[item.ProductID]
	switch {
	case !known:
		return Cart{}, ErrNoProduct
	case price.Archived:
		return Cart{}, ErrArchived
	}
	stored := StoredItem{item.ProductID, item.Quantity, price.UnitPrice, price.Currency}
	return s.priced(ctx, owner, func(c *StoredCart) error { return c.set(stored) })
}

// Remove removes a product from the cart, if it is there.
func (s *Service) Remove(ctx context.Context, owner shop.UserID, product int64) (Cart, error) {
	return s.priced(ctx, owner, func(c *StoredCart) error {
		c.remove(product)
		return nil
	})
}

// Empty removes all items. A running checkout continues.
func (s *Service) Empty(ctx context.Context, owner shop.UserID) error {
	_, err := s.change(ctx, owner, func(c *StoredCart) error {
		c.Items = nil
		return nil
	})
	return err
}

// priced changes a cart and returns it with current prices and stock.
func (s *Service) priced(ctx context.Context, owner shop.UserID, do func(*StoredCart) error) (Cart, error) {
	c, err := s.change(ctx, owner, do)
	if err != nil {
		return Cart{}, err
	}
	var prices map[int64]Price
	if len(c.Items) > 0 {
		products := make([]int64, len(c.Items))
		for i, item := range c.Items {
			products[i] = item.ProductID
		}
		if prices, err = s.prices(ctx, products); err != nil {
			return Cart{}, err
		}
	}
	return priceCart(c, prices)
}

// maxAttempts bounds how often change repeats an update after a concurrent one.
const maxAttempts = 20

// change loads a cart, completes an interrupted checkout, changes the cart and saves it. After a concurrent update it
// starts over, so that no change is lost. It fails with ErrConflict.
func (s *Service) change(ctx context.Context, owner shop.UserID, do func(*StoredCart) error) (StoredCart, error) {
	for range maxAttempts {
		before, version, err := s.store.Load(ctx, owner)
		if err != nil {
			return StoredCart{}, err
		}
		after := StoredCart{slices.Clone(before.Items), before.Checkout}
		if err := s.finishCheckout(ctx, &after, time.Now()); err != nil {
			return StoredCart{}, err
		}
		if err := do(&after); err != nil {
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
	empty := len(after.Items) == 0 && after.Checkout == nil
	switch {
	case after.equal(before), empty && version == "":
		return nil
	case empty:
		return s.store.Delete(ctx, owner, version)
	}
	return s.store.Save(ctx, owner, after, version)
}

// finishCheckout completes an interrupted checkout whose order exists, and drops one that can no longer create it.
func (s *Service) finishCheckout(ctx context.Context, c *StoredCart, now time.Time) error {
	if c.Checkout == nil {
		return nil
	}
	_, err := s.orders.GoodsState(ctx, c.Checkout.OrderID)
	switch {
	case err == nil:
		c.complete(c.Checkout.Items)
	case !errors.Is(err, order.ErrNotFound):
		return err
	case now.Sub(c.Checkout.Since) > checkoutTimeout:
		c.Checkout = nil
	}
	return nil
}

// Checkout places an order of the cart and removes the ordered items. If it fails, the cart is unchanged. It fails with
// ErrEmpty, with ErrCheckout while another checkout runs, with idempotency.ErrReused for the key of another cart, and
// as order.Place does. An interruption leaves either an order and a cart without its items, or no order and the whole
// cart: the cart stores the order's id before the order is created.
func (s *Service) Checkout(ctx context.Context, buyer shop.UserID, in order.Checkout) (o order.Order, err error) {
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
	o, err = s.orders.PlaceWithID(ctx, buyer, checkout.OrderID, order.NewOrder{Checkout: in, Items: checkout.Items})
	if err == nil {
		checkout.Items = o.OrderItems() // a repeated request returns the order of the first one
	}
	if endErr := s.endCheckout(context.WithoutCancel(ctx), buyer, checkout, err == nil); endErr != nil {
		slog.WarnContext(ctx, "cart not updated after checkout, its next request will", "order", checkout.OrderID, "err", endErr)
	}
	return o, err
}

var errPlaced = errors.New("this checkout has its order already")

// beginCheckout stores in the cart which order is created from it. A repeated request continues with the stored items.
func (s *Service) beginCheckout(ctx context.Context, buyer shop.UserID, id shop.OrderID) (PendingCheckout, error) {
	c, err := s.change(ctx, buyer, func(c *StoredCart) error {
		switch {
		case c.Checkout != nil && c.Checkout.OrderID == id:
			return nil
		case c.Checkout != nil:
			return ErrCheckout
		}
		// A concurrent request with the same key may have placed the order: then the cart no longer holds its items.
		if _, err := s.orders.GoodsState(ctx, id); !errors.Is(err, order.ErrNotFound) {
			return errors.Join(err, errPlaced)
		}
		if len(c.Items) == 0 {
			return ErrEmpty
		}
		c.Checkout = &PendingCheckout{OrderID: id, Items: c.orderItems(), Since: time.Now().UTC()}
		return nil
	})
	if err != nil {
		return PendingCheckout{}, err
	}
	return *c.Checkout, nil
}

// endCheckout completes or drops the checkout, unless another request has done so.
func (s *Service) endCheckout(ctx context.Context, buyer shop.UserID, checkout PendingCheckout, placed bool) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := s.change(ctx, buyer, func(c *StoredCart) error {
		switch {
		case c.Checkout == nil || c.Checkout.OrderID != checkout.OrderID:
		case placed:
			c.complete(checkout.Items)
		default:
			c.Checkout = nil
		}
		return nil
	})
	return err
}
