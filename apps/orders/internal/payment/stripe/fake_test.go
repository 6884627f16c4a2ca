package stripe

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// stripeFake is a fake of Stripe with a state, which the mock does not have: it repeats its response to an idempotency
// key, also an error, and refuses a key that is used with other parameters.
type stripeFake struct {
	mu      sync.Mutex
	intents map[string]string // idempotency key to PaymentIntent
	refunds map[string]string
	refused map[string]string // error responses by key
	params  map[string]string // parameters by key
	silent  bool              // the responses are lost
	dispute bool              // refunds are refused
	status  string            // of new refunds
}

func newStripeFake(status string) *stripeFake {
	return &stripeFake{
		intents: map[string]string{}, refunds: map[string]string{}, refused: map[string]string{},
		params: map[string]string{}, status: status,
	}
}

func (s *stripeFake) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *stripeFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	status, response := http.StatusOK, ""
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/payment_intents":
		response = s.createIntent(r)
	case r.Method == http.MethodPost && r.URL.Path == "/v1/refunds":
		status, response = s.createRefund(r)
	default:
		for _, intent := range s.intents {
			response = intent
		}
		if strings.HasSuffix(r.URL.Path, "/search") {
			response = `{"object":"search_result","data":[` + response + `],"has_more":false}`
		}
	}
	if s.silent {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(response))
}

func (s *stripeFake) createIntent(r *http.Request) string {
	key, amount := r.Header.Get("Idempotency-Key"), r.Form.Get("amount")
	if s.intents[key] == "" {
		s.intents[key] = fmt.Sprintf(`{"id":"pi_%d","object":"payment_intent","status":"succeeded","amount":%s,
			"amount_received":%s,"currency":%q,"metadata":{"order_id":%q}}`,
			len(s.intents)+1, amount, amount, r.Form.Get("currency"), r.Form.Get("metadata[order_id]"))
	}
	return s.intents[key]
}

func (s *stripeFake) createRefund(r *http.Request) (status int, response string) {
	key := r.Header.Get("Idempotency-Key")
	if s.params[key] != "" && s.params[key] != r.Form.Encode() {
		return http.StatusBadRequest, `{"error":{"type":"idempotency_error","message":"another request had this key"}}`
	}
	s.params[key] = r.Form.Encode()
	if s.refused[key] != "" || s.dispute && s.refunds[key] == "" {
		s.refused[key] = `{"error":{"type":"invalid_request_error","code":"charge_disputed","message":"disputed"}}`
		return http.StatusBadRequest, s.refused[key]
	}
	if s.refunds[key] == "" {
		s.refunds[key] = fmt.Sprintf(`{"id":"re_%d","object":"refund","status":%q,
			"failure_reason":"lost_or_stolen_card","metadata":{"order_id":%q,"refund_id":%q}}`,
			len(s.refunds)+1, s.status, r.Form.Get("metadata[order_id]"), r.Form.Get("metadata[refund_id]"))
	}
	return http.StatusOK, s.refunds[key]
}
