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

// charged is a charge at a stand-in that made it.
func charged(t *testing.T, status string) (*Provider, *stripeFake, payment.Charge) {
	t.Helper()
	stand := newStripeFake(status)
	server := httptest.NewServer(stand)
	t.Cleanup(server.Close)
	p, c := New("sk_test_123", "whsec_test", server.URL), charge()
	if _, err := p.Charge(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return p, stand, c
}

// TestARefundIsWhatStripeSaysOfIt, not that it answered.
func TestARefundIsWhatStripeSaysOfIt(t *testing.T) {
	for status, want := range map[string]error{
		"succeeded": nil, "pending": nil, "requires_action": nil, "failed": payment.ErrRefused, "canceled": payment.ErrRefused,
	} {
		p, stand, c := charged(t, status)
		refund := payment.Refund{ID: shop.NewID(), OrderID: c.OrderID, Amount: shop.MustMoney("1.00"), Currency: "USD"}
		off := shop.NewID()
		for name, err := range map[string]error{"refund": p.Refund(t.Context(), refund, "pi_1"), "call off": p.Void(t.Context(), c.OrderID, "pi_1", off)} {
			if !errors.Is(err, want) || want != nil && !strings.Contains(err.Error(), "lost or stolen card") {
				t.Errorf("%s, %s: %v", name, status, err)
			}
		}
		for _, made := range stand.refunds {
			if !strings.Contains(made, c.OrderID.String()) || !strings.Contains(made, refund.ID.String()) && !strings.Contains(made, off.String()) {
				t.Errorf("it cannot be found again: %s", made)
			}
		}
	}
}

func TestRefundsThatFailLaterAreHeard(t *testing.T) {
	id, refund := shop.NewID(), shop.NewID()
	p := New("sk", "whsec_test", "")
	for name, c := range map[string]struct {
		kind, status, order, refund string
		key, failed                 uuid.UUID
	}{
		"failed":                      {"refund.failed", "failed", id.String(), refund.String(), id, refund},
		"failed, as an update":        {"refund.updated", "failed", id.String(), refund.String(), id, refund},
		"failed, as it was told once": {"charge.refund.updated", "failed", id.String(), refund.String(), id, refund},
		"taken back":                  {"refund.updated", "canceled", id.String(), refund.String(), id, refund},
		"on its way":                  {"refund.updated", "pending", id.String(), refund.String(), id, uuid.Nil},
		"there":                       {"refund.updated", "succeeded", id.String(), refund.String(), id, uuid.Nil},
		"made":                        {"refund.created", "pending", id.String(), refund.String(), id, uuid.Nil},
		"of another shop":             {"refund.failed", "failed", "", refund.String(), uuid.Nil, uuid.Nil},
		"made by hand":                {"refund.failed", "failed", id.String(), "", id, uuid.Nil},
	} {
		body := fmt.Appendf(nil, `{"id":"evt_1","object":"event","type":%q,"data":{"object":{"id":"re_1","object":"refund","status":%q,
			"failure_reason":"expired_or_canceled_card","payment_intent":"pi_1","metadata":{"order_id":%q,"refund_id":%q}}}}`, c.kind, c.status, c.order, c.refund)
		signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: "whsec_test"})
		n, err := p.ParseWebhook(body, signed.Header)
		if err != nil || n.OrderID.UUID != c.key || n.RefundID != c.failed || n.State != "" || (n.Failure == "") != (c.failed == uuid.Nil) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
		if c.failed != uuid.Nil && n.Failure != "the payment provider refused the refund (expired or canceled card)" {
			t.Errorf("%s: %q", name, n.Failure)
		}
	}
}
