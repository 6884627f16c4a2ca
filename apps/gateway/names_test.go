package main

import (
	"testing"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestNamesOfRoutesAreNoIDs: a sidecar's access list has rules for /users/me that come before those for an id.
func TestNamesOfRoutesAreNoIDs(t *testing.T) {
	g := start(t, newUpstreams(t))
	admin := kittest.NewCaller(shop.Admin)
	for _, do := range []string{
		"POST /api/v1/users/me/unlock", "POST /api/v1/notifications/templates/read", "GET /api/v1/products/import/inventory",
		"DELETE /api/v1/products/export", "POST /api/v1/orders/analytics/cancel",
	} {
		if got := g.do(t, do, "", as(t, admin)); got.status != 404 {
			t.Errorf("%s: %d %s", do, got.status, got.body)
		}
	}
	if got := g.do(t, "POST /api/v1/users/0192f0c1-2d3e-7abc-8def-0123456789ab/unlock", "", as(t, admin)); got.status != 200 {
		t.Errorf("an id: %d %s", got.status, got.body)
	}
}
