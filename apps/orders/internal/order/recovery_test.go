package order_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/orders/internal/order"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func TestRecoveryFindsLateWorkflows(t *testing.T) {
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	_, s, _, paid := openWithOrder(t, alice)
	pending, err := s.Place(t.Context(), alice.ID, twoItems)
	if err != nil {
		t.Fatal(err)
	}
	shipped, cancelled := paidOrder(t, s, alice), paidOrder(t, s, alice)
	if _, err := s.Ship(t.Context(), admin, shipped.ID, order.Shipment{Carrier: "UPS"}); err != nil {
		t.Fatal(err)
	}
	if cancelled, err = s.Cancel(t.Context(), alice, cancelled.ID, ""); err != nil {
		t.Fatal(err)
	}
	find, later := s.Recovery(), time.Now().Add(time.Hour)
	refund := cancelled.Refunds[0]
	same := func(name string, found func(context.Context, time.Time, order.Instance) ([]order.Instance, error), want ...uuid.UUID) {
		t.Helper()
		all, err := found(t.Context(), later, order.Instance{})
		ids := []uuid.UUID{}
		for _, i := range all {
			ids = append(ids, i.ID())
			if next, err := found(t.Context(), later, i); err != nil || slices.Contains(next, i) {
				t.Errorf("%s: the next page repeats it: %v, %v", name, next, err)
			}
			if i.Since.IsZero() || i.OrderID.UUID == uuid.Nil {
				t.Errorf("%s: %+v", name, i)
			}
		}
		if err != nil || !slices.Equal(ids, want) {
			t.Errorf("%s: %v, want %v, %v", name, ids, want, err)
		}
		if all, err := found(t.Context(), later.Add(-2*time.Hour), order.Instance{}); err != nil || len(all) > 0 {
			t.Errorf("%s before its time: %v, %v", name, all, err)
		}
	}
	same("pending", find.Pending, pending.ID.UUID)
	same("unshipped", find.Unshipped, paid.ID.UUID)
	same("undelivered", find.Undelivered, shipped.ID.UUID)
	same("open refund", find.OpenRefunds, refund.ID)
	same("ended", find.Unpurged, cancelled.ID.UUID)
	refund.OrderID = cancelled.ID
	if err := s.SettleRefund(t.Context(), refund); err != nil {
		t.Fatal(err)
	}
	same("no open refund", find.OpenRefunds)
	same("ended, with its refund", find.Unpurged, cancelled.ID.UUID, refund.ID)
	all, err := find.Unpurged(t.Context(), later, order.Instance{})
	if err != nil {
		t.Fatal(err)
	}
	if after, err := find.Unpurged(t.Context(), later, all[0]); err != nil || len(after) != 1 || after[0].RefundID != refund.ID {
		t.Errorf("the next page: %+v, %v", after, err)
	}
	for _, i := range all {
		if err := s.MarkPurged(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	same("purged", find.Unpurged)
}
