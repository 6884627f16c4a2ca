package stripe

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stripe/stripe-go/v83/webhook"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/shop"
)

// charged is a charge at a fake of Stripe whose refunds have a status.
func charged(t *testing.T, status string) (*Provider, *stripeFake, payment.Charge) {
	t.Helper()
	fake := newStripeFake(status)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	p, c := New("sk_test_123", []string{"whsec_test"}, server.URL), charge()
	if _, err := p.Charge(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return p, fake, c
}

// TestRefundStatus: a refund fails by its status, not by that of the response.
func TestRefundStatus(t *testing.T) {
	for status, want := range map[string]error{
		"succeeded": nil, "pending": nil, "requires_action": nil, "failed": payment.ErrRefused, "canceled": payment.ErrRefused,
	} {
		p, fake, c := charged(t, status)
		refund := payment.Refund{ID: shop.NewID(), OrderID: c.OrderID, Amount: shop.MustMoney("1.00"), Currency: "USD"}
		voidID := shop.NewID()
		for name, err := range map[string]error{
			"refund": p.Refund(t.Context(), refund, "pi_1"), "void": p.Void(t.Context(), c.OrderID, "pi_1", voidID),
		} {
			if !errors.Is(err, want) || want != nil && !strings.Contains(err.Error(), "lost or stolen card") {
				t.Errorf("%s, %s: %v", name, status, err)
			}
		}
		for _, made := range fake.refunds {
			if !strings.Contains(made, c.OrderID.String()) ||
				!strings.Contains(made, refund.ID.String()) && !strings.Contains(made, voidID.String()) {
				t.Errorf("without the ids: %s", made)
			}
		}
	}
}

func TestRefundWebhooks(t *testing.T) {
	id, refund := shop.NewID(), shop.NewID()
	p := New("sk", []string{"whsec_test"}, "")
	for name, c := range map[string]struct {
		kind, status, order, refund string
		key, failed                 uuid.UUID
	}{
		"failed":                    {"refund.failed", "failed", id.String(), refund.String(), id, refund},
		"failed, as an update":      {"refund.updated", "failed", id.String(), refund.String(), id, refund},
		"failed, in the old format": {"charge.refund.updated", "failed", id.String(), refund.String(), id, refund},
		"cancelled":                 {"refund.updated", "canceled", id.String(), refund.String(), id, refund},
		"pending":                   {"refund.updated", "pending", id.String(), refund.String(), id, uuid.Nil},
		"succeeded":                 {"refund.updated", "succeeded", id.String(), refund.String(), id, uuid.Nil},
		"created":                   {"refund.created", "pending", id.String(), refund.String(), id, uuid.Nil},
		"of another shop":           {"refund.failed", "failed", "", refund.String(), uuid.Nil, uuid.Nil},
		"made in the dashboard":     {"refund.failed", "failed", id.String(), "", id, uuid.Nil},
	} {
		body := fmt.Appendf(nil, `{"id":"evt_1","object":"event","type":%q,"data":{"object":{"id":"re_1","object":"refund","status":%q,
			"failure_reason":"expired_or_canceled_card","payment_intent":"pi_1","metadata":{"order_id":%q,"refund_id":%q}}}}`,
			c.kind, c.status, c.order, c.refund)
		signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: "whsec_test"})
		e, err := p.ParseWebhook(body, signed.Header)
		if err != nil || e.OrderID.UUID != c.key || e.RefundID != c.failed || e.State != "" ||
			(e.Failure == "") != (c.failed == uuid.Nil) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		const failure = "the payment provider refused the refund (expired or canceled card)"
		if c.failed != uuid.Nil && e.Failure != failure {
			t.Errorf("%s: %q", name, e.Failure)
		}
	}
}
