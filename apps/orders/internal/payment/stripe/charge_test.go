package stripe

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"sidecart/apps/orders/internal/payment"
)

// TestRefusedCharges: a charge that Stripe will never accept is declined immediately; an error that may pass is not.
func TestRefusedCharges(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		kind, code string
		want       error
	}{
		"too small an amount":  {400, "invalid_request_error", "amount_too_small", payment.ErrDeclined},
		"too large an amount":  {400, "invalid_request_error", "amount_too_large", payment.ErrDeclined},
		"an invalid parameter": {400, "invalid_request_error", "parameter_invalid_string_empty", payment.ErrDeclined},
		"an unknown method":    {400, "invalid_request_error", "resource_missing", payment.ErrDeclined},
		"an invalid method":    {400, "invalid_request_error", "", payment.ErrDeclined},
		"a used key":           {400, "idempotency_error", "", payment.ErrProvider},
		"a concurrent key":     {409, "idempotency_error", "", payment.ErrProvider},
		"a wrong API key":      {401, "invalid_request_error", "", payment.ErrProvider},
		"a limit":              {429, "invalid_request_error", "rate_limit", payment.ErrProvider},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Stripe-Should-Retry", "false")
			w.WriteHeader(c.status)
			_, _ = fmt.Fprintf(w, `{"error":{"type":%q,"code":%q,"message":"no"}}`, c.kind, c.code)
		}))
		_, err := New("sk_test_123", nil, server.URL).Charge(t.Context(), charge())
		server.Close()
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
