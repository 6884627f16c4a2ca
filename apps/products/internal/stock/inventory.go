package stock

import (
	"context"
	"math"

	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Opening is the initial stock of a new product.
type Opening struct {
	ProductID int64 `json:"product_id"`
	Quantity  int   `json:"quantity"`
}

// Level returns the stock of a product. It fails with ErrNotFound.
func (s *Service) Level(ctx context.Context, productID int64) (StockLevel, error) {
	return level(ctx, s.db, productID)
}

// Adjust changes the stock on hand and records the reason and the admin in the ledger. It fails with ErrNotFound, with
// ErrReserved if less would be left than orders have reserved, or with ErrTooMuch.
func (s *Service) Adjust(
	ctx context.Context, by shop.UserID, productID int64, a StockAdjustment,
) (StockAdjustmentResult, error) {
	return idempotency.Do(ctx, s.db, a.Key, func(tx event.TX) (result StockAdjustmentResult, err error) {
		if err := Lock(ctx, tx, []int64{productID}); err != nil {
			return result, err
		}
		l, err := level(ctx, tx, productID)
		switch {
		case err != nil:
			return result, err
		case l.OnHand+a.Delta < l.Reserved:
			return result, ErrReserved
		case l.OnHand+a.Delta > maxOnHand:
			return result, ErrTooMuch
		}
		change, err := adjust(ctx, tx, by, productID, a)
		if err != nil {
			return result, err
		}
		if result.StockLevel, err = level(ctx, tx, productID); err != nil {
			return result, err
		}
		latest, err := movements(ctx, tx, productID, math.MaxInt64, 1)
		if err != nil {
			return result, err
		}
		result.Movement = latest[0]
		return result, recordCrossings(ctx, tx, []stockChange{change})
	})
}

// Movements returns the ledger of a product, newest first. It fails with ErrNotFound.
func (s *Service) Movements(
	ctx context.Context, productID int64, q web.PageQuery,
) (page web.Page[StockMovement], err error) {
	if _, err := level(ctx, s.db, productID); err != nil {
		return page, err
	}
	return web.PageOf(q, math.MaxInt64, func(before int64, limit int) ([]StockMovement, error) {
		return movements(ctx, s.db, productID, before, limit)
	}, func(m StockMovement) int64 { return m.ID })
}

// SetThreshold sets the low-stock threshold of a product on sale. It fails with ErrNotFound.
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

// Threshold is the low-stock threshold of a product.
type Threshold struct {
	ProductID int64 `json:"product_id"`
	Threshold int   `json:"threshold"`
}

// SetThresholds sets the thresholds of several products on sale. It fails with ErrNotFound.
func SetThresholds(ctx context.Context, tx event.TX, thresholds ...Threshold) error {
	if len(thresholds) == 0 {
		return nil
	}
	products := make([]int64, len(thresholds))
	for i, t := range thresholds {
		products[i] = t.ProductID
	}
	// Reservations read the threshold under the lock of the stock, so it also changes under that lock. Products are
	// locked before their stock, in the same order as by an update of the product.
	if err := lockProducts(ctx, tx, products); err != nil {
		return err
	}
	if err := Lock(ctx, tx, products); err != nil {
		return err
	}
	changes, err := setThresholds(ctx, tx, thresholds)
	if err != nil {
		return err
	}
	return recordCrossings(ctx, tx, changes)
}
