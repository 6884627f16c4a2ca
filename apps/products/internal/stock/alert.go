package stock

import (
	"cmp"
	"context"
	"slices"
	"time"

	"sidecart/kit/event"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// AlertKind is the last threshold crossing of a product.
type AlertKind string

// A product is out while none is available, low while it has no more than its threshold, and back once it is available
// again after it was out.
const (
	Low    AlertKind = "low"
	Out    AlertKind = "out"
	Back   AlertKind = "back"
	enough AlertKind = "" // more than the threshold
)

// StockAlert is a product that is low or out of stock, or has been back in stock for less than a week.
type StockAlert struct {
	ProductID int64     `json:"product_id"`
	SKU       string    `json:"sku"`
	Name      string    `json:"name"`
	Kind      AlertKind `json:"kind" validate:"oneof=low out back"`
	Available int       `json:"available"`
	Threshold int       `json:"threshold"`
	Since     time.Time `json:"since"`
}

// NotifyRequest is a user's request to be notified when a product is back in stock.
type NotifyRequest struct {
	ProductID   int64     `json:"product_id"`
	SKU         string    `json:"sku"`
	Name        string    `json:"name"`
	RequestedAt time.Time `json:"asked_at"`
}

type availability struct{ Available, Threshold int }

func (a availability) kind() AlertKind {
	switch {
	case a.Available <= 0:
		return Out
	case a.Available <= a.Threshold:
		return Low
	}
	return enough
}

// crossing returns the new kind of a product, and whether its kind changed. A product that goes from enough to none is
// out and never low.
func crossing(before, after availability) (now AlertKind, crossed bool) {
	was, is := before.kind(), after.kind()
	if was == Out && is != Out {
		return Back, true
	}
	return is, was != is
}

// stockChange is a change of a locked product's availability or threshold.
type stockChange struct {
	ProductID       int64
	SKU             string
	Name            string
	OnSale          bool
	AvailableBefore int
	Available       int
	ThresholdBefore int
	Threshold       int
}

// Alerts lists the products on sale that are low, out of stock or back in stock, latest crossing first. An empty kind
// lists all kinds.
func (s *Service) Alerts(ctx context.Context, kind AlertKind, q web.PageQuery) (web.Page[StockAlert], error) {
	return web.PageOf(q, alertCursor{}, func(after alertCursor, limit int) ([]StockAlert, error) {
		return alerts(ctx, s.db, kind, after, limit)
	}, func(a StockAlert) alertCursor { return alertCursor{a.Since, a.ProductID} })
}

// NotifyWhenInStock records that a user is to be notified once when a product is back in stock. A repeated request
// changes nothing. It fails with ErrNotFound or ErrInStock.
func (s *Service) NotifyWhenInStock(ctx context.Context, user shop.UserID, productID int64) error {
	return s.db.Tx(ctx, func(tx event.TX) error {
		// The lock orders this request and a concurrent restock: the restock sees the request, or the request sees the
		// stock.
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

// NotifyRequests returns a user's open requests.
func (s *Service) NotifyRequests(ctx context.Context, user shop.UserID) ([]NotifyRequest, error) {
	return notifyRequests(ctx, s.db, user)
}

// recordCrossings stores the alerts of changed products and emits their events, in the transaction of the change. The
// products are locked, so each crossing is emitted once. Alerts are written in product order.
func recordCrossings(ctx context.Context, tx event.TX, changes []stockChange) error {
	slices.SortFunc(changes, func(a, b stockChange) int { return cmp.Compare(a.ProductID, b.ProductID) })
	for _, c := range changes {
		before, after := availability{c.AvailableBefore, c.ThresholdBefore}, availability{c.Available, c.Threshold}
		kind, crossed := crossing(before, after)
		if !crossed || !c.OnSale {
			continue
		}
		if err := setAlert(ctx, tx, c.ProductID, kind); err != nil {
			return err
		}
		if err := emitCrossing(ctx, tx, c, kind); err != nil {
			return err
		}
	}
	return nil
}

func emitCrossing(ctx context.Context, tx event.TX, c stockChange, kind AlertKind) error {
	switch kind {
	case Low:
		return event.Emit(ctx, tx, shop.StockLow{
			ProductID: c.ProductID, SKU: c.SKU, Name: c.Name, Available: c.Available, Threshold: c.Threshold,
		})
	case Out:
		return event.Emit(ctx, tx, shop.StockOut{ProductID: c.ProductID, SKU: c.SKU, Name: c.Name})
	case Back:
		return emitBack(ctx, tx, c)
	}
	return nil
}

const usersPerEvent = 100

// emitBack emits stock.back with the users who requested a notification, and deletes their requests. Without users it
// emits one event.
func emitBack(ctx context.Context, tx event.TX, c stockChange) error {
	users, err := deleteWaiters(ctx, tx, c.ProductID)
	if err != nil {
		return err
	}
	for {
		batch := users[:min(len(users), usersPerEvent)]
		users = users[len(batch):]
		err := event.Emit(ctx, tx, shop.StockBack{
			ProductID: c.ProductID, SKU: c.SKU, Name: c.Name, Available: c.Available, UserIDs: batch,
		})
		if err != nil || len(users) == 0 {
			return err
		}
	}
}
