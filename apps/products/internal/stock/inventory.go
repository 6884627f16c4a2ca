package stock

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Opening is the first stock of a new product.
type Opening struct {
	ProductID int64 `json:"product_id"`
	Quantity  int   `json:"quantity"`
}

// Level is how much there is of a product. It fails with ErrNotFound.
func (s *Service) Level(ctx context.Context, productID int64) (StockLevel, error) {
	return level(ctx, s.db, productID)
}

// Adjust changes how much there is, and writes down why and who did it. It fails with ErrNotFound, ErrReserved where
// less would be left than orders have reserved, or ErrTooMuch.
func (s *Service) Adjust(ctx context.Context, by shop.UserID, productID int64, a StockAdjustment) (StockAdjustmentResult, error) {
	return idempotency.Do(ctx, s.db, a.Key, func(tx event.TX) (done StockAdjustmentResult, err error) {
		if err := lockProducts(ctx, tx, []int64{productID}); err != nil {
			return done, err
		}
		if err := checkAdjustment(ctx, tx, productID, a.Delta); err != nil {
			return done, err
		}
		m, err := adjust(ctx, tx, by, productID, a)
		if err != nil {
			return done, err
		}
		if done.StockLevel, err = level(ctx, tx, productID); err != nil {
			return done, err
		}
		line, err := movements(ctx, tx, productID, 0, 1)
		if err != nil {
			return done, err
		}
		done.Movement = line[0]
		return done, recordCrossing(ctx, tx, m)
	})
}

// checkAdjustment fails as Adjust does. The product is locked.
func checkAdjustment(ctx context.Context, tx pgx.Tx, productID int64, delta int) error {
	l, err := level(ctx, tx, productID)
	switch {
	case err != nil:
		return err
	case l.OnHand+delta < l.Reserved:
		return ErrReserved
	case l.OnHand+delta > maxOnHand:
		return ErrTooMuch
	}
	return nil
}

// Movements is a product's ledger, the newest line first. It fails with ErrNotFound.
func (s *Service) Movements(ctx context.Context, productID int64, q web.PageQuery) (page web.Page[StockMovement], err error) {
	if _, err := level(ctx, s.db, productID); err != nil {
		return page, err
	}
	return web.PageOf(q, 0, func(before int64, most int) ([]StockMovement, error) {
		return movements(ctx, s.db, productID, before, most)
	}, func(m StockMovement) int64 { return m.ID })
}

// SetThreshold says from how many on a product is low. It fails with ErrNotFound, also for what is not on sale.
func (s *Service) SetThreshold(ctx context.Context, productID int64, threshold int) (l StockLevel, err error) {
	err = s.db.Tx(ctx, func(tx event.TX) error {
		if err := SetThresholds(ctx, tx, Threshold{productID, threshold}); err != nil {
			return err
		}
		l, err = level(ctx, tx, productID)
		return err
	})
	return l, err
}

// Threshold is from how many on a product is low.
type Threshold struct {
	ProductID int64
	Threshold int
}

// SetThresholds is SetThreshold of several products in somebody's transaction.
func SetThresholds(ctx context.Context, tx event.TX, all ...Threshold) error {
	if len(all) == 0 {
		return nil
	}
	// Whoever reserves reads the threshold under the lock of the stock, so it changes under that lock too; the products are
	// locked first, as by whoever changes more of them.
	if err := lockProductsAndStock(ctx, tx, all); err != nil {
		return err
	}
	changed, err := setThresholds(ctx, tx, all)
	if err != nil {
		return err
	}
	return recordCrossings(ctx, tx, changed)
}

// Lock keeps the stock of some products from moving until the transaction ends. Who needs that of several asks once for all of
// them, before anything else that waits for stock: two who lock the same one after the other, each in their own order, end in a
// deadlock.
func Lock(ctx context.Context, tx event.TX, products []int64) error {
	if len(products) == 0 {
		return nil
	}
	return lockProducts(ctx, tx, products)
}

// Alerts is the products on sale that are low, out or just back in stock, those that crossed last first. kind narrows it
// to one, unless it is empty.
func (s *Service) Alerts(ctx context.Context, kind AlertKind, q web.PageQuery) (web.Page[StockAlert], error) {
	return web.PageOf(q, alertCursor{}, func(last alertCursor, most int) ([]StockAlert, error) {
		return alerts(ctx, s.db, kind, last, most)
	}, func(a StockAlert) alertCursor { return alertCursor{a.Since, a.ProductID} })
}

// NotifyWhenInStock has a user told once when a product that is out of stock can be bought again. Asking again changes nothing. It
// fails with ErrNotFound or ErrInStock.
func (s *Service) NotifyWhenInStock(ctx context.Context, user shop.UserID, productID int64) error {
	return s.db.Tx(ctx, func(tx event.TX) error {
		// Locked, so that whoever brings it back meanwhile either sees this user or is seen here.
		available, err := lockAvailable(ctx, tx, productID)
		switch {
		case err != nil:
			return err
		case available > 0:
			return ErrInStock
		}
		return insertWaiter(ctx, tx, user, productID)
	})
}

// NotifyRequests is what a user wants to be told of.
func (s *Service) NotifyRequests(ctx context.Context, user shop.UserID) ([]NotifyRequest, error) {
	return notifyRequests(ctx, s.db, user)
}

// recordCrossing writes down and tells what a product has just crossed, if it did, in the transaction that moved it. The product
// is locked, so that each crossing is told once.
func recordCrossing(ctx context.Context, tx event.TX, m stockChange) error {
	now, crossed := crossing(availability{m.AvailableBefore, m.ThresholdBefore}, availability{m.Available, m.Threshold})
	if !crossed || !m.OnSale {
		return nil
	}
	if err := setAlert(ctx, tx, m.ProductID, now); err != nil {
		return err
	}
	switch now {
	case Low:
		return event.Emit(ctx, tx, shop.StockLow{ProductID: m.ProductID, SKU: m.SKU, Name: m.Name, Available: m.Available, Threshold: m.Threshold})
	case Out:
		return event.Emit(ctx, tx, shop.StockOut{ProductID: m.ProductID, SKU: m.SKU, Name: m.Name})
	case Back:
		return emitBack(ctx, tx, m)
	}
	return nil
}

// emitBack tells also whoever waited for the product, so many to an event, and forgets them.
func emitBack(ctx context.Context, tx event.TX, m stockChange) error {
	users, err := deleteWaiters(ctx, tx, m.ProductID)
	if err != nil {
		return err
	}
	e := shop.StockBack{ProductID: m.ProductID, SKU: m.SKU, Name: m.Name, Available: m.Available, UserIDs: []shop.UserID{}}
	if len(users) == 0 {
		return event.Emit(ctx, tx, e)
	}
	for some := range slices.Chunk(users, usersPerEvent) {
		e.UserIDs = some
		if err := event.Emit(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}
