package stripe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/stripe/stripe-go/v83"
	"github.com/stripe/stripe-go/v83/webhook"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// mock runs the real stripe-mock, which knows Stripe's whole API and refuses what the API would refuse. It has no memory.
func mock(t *testing.T) *Provider {
	t.Helper()
	program := os.Getenv("STRIPE_MOCK")
	if program == "" {
		t.Fatal("STRIPE_MOCK is not set: run the tests with `make test PKG=./apps/orders/...`, which builds stripe-mock")
	}
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-http-addr", fmt.Sprintf("127.0.0.1:%d", port))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = cmd.Wait() })
	address := "http://127.0.0.1:" + strconv.Itoa(port)
	kittest.Eventually(t, 20*time.Second, func() error {
		res, err := http.Get(address) //nolint:noctx // asks whether it listens
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
	return New("sk_test_123", "whsec_test", address)
}

func charge() payment.Charge {
	return payment.Charge{OrderID: shop.OrderID{UUID: shop.NewID()}, Amount: shop.MustMoney("599.98"), Currency: "USD", Token: "pm_card_visa"}
}

// TestStripeTakesOurCalls: every call is one that Stripe's API knows, with fields that it knows. What the mock answers is
// always the same, a payment that was refused.
func TestStripeTakesOurCalls(t *testing.T) {
	p, c := mock(t), charge()
	if _, err := p.Charge(t.Context(), c); !errors.Is(err, payment.ErrDeclined) {
		t.Errorf("charge: %v", err)
	}
	if _, err := p.Find(t.Context(), c.OrderID, "pi_1"); !errors.Is(err, payment.ErrDeclined) {
		t.Errorf("find: %v", err)
	}
	if _, err := p.Find(t.Context(), c.OrderID, ""); !errors.Is(err, payment.ErrNotFound) {
		t.Errorf("search: %v", err)
	}
	if err := p.Refund(t.Context(), payment.Refund{ID: shop.NewID(), OrderID: c.OrderID, Amount: c.Amount, Currency: "USD"}, "pi_1"); err != nil {
		t.Errorf("refund: %v", err)
	}
	if err := p.Void(t.Context(), c.OrderID, "pi_1", shop.NewID()); err != nil {
		t.Errorf("call off: %v", err)
	}
	if err := p.ListCharges(t.Context(), time.Now().Add(-time.Hour), time.Now(), func(taken payment.Record) error { return fmt.Errorf("%+v is ours", taken) }); err != nil {
		t.Errorf("since: %v", err)
	}
	wrong := c
	wrong.Token = strings.Repeat("x", 6000)
	if _, err := p.Charge(t.Context(), wrong); err == nil || errors.Is(err, payment.ErrTimeout) {
		t.Errorf("the mock refuses what the API would: %v", err)
	}
}

// stripeFake stands in for Stripe where the mock cannot: it remembers what it answered to an idempotency key, errors as well, and refuses a
// key that comes with something else.
type stripeFake struct {
	mu      sync.Mutex
	intents map[string]string // idempotency key to PaymentIntent
	refunds map[string]string
	refused map[string]string // keys that were answered with an error
	asked   map[string]string // what came with a key
	silent  bool
	dispute bool   // no refund is made
	status  string // of the refunds that are made
}

func newStripeFake(status string) *stripeFake {
	return &stripeFake{intents: map[string]string{}, refunds: map[string]string{}, refused: map[string]string{}, asked: map[string]string{}, status: status}
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
	key := r.Header.Get("Idempotency-Key")
	answer := ""
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/payment_intents":
		if s.intents[key] == "" {
			s.intents[key] = fmt.Sprintf(`{"id":"pi_%d","object":"payment_intent","status":"succeeded","amount":%s,"amount_received":%s,"currency":%q,"metadata":{"order_id":%q}}`,
				len(s.intents)+1, r.Form.Get("amount"), r.Form.Get("amount"), r.Form.Get("currency"), r.Form.Get("metadata[order_id]"))
		}
		answer = s.intents[key]
	case r.Method == http.MethodPost && r.URL.Path == "/v1/refunds" && s.asked[key] != "" && s.asked[key] != r.Form.Encode():
		w.WriteHeader(http.StatusBadRequest)
		answer = `{"error":{"type":"idempotency_error","message":"another call had this key"}}`
	case r.Method == http.MethodPost && r.URL.Path == "/v1/refunds" && (s.refused[key] != "" || s.dispute && s.refunds[key] == ""):
		s.asked[key], s.refused[key] = r.Form.Encode(), `{"error":{"type":"invalid_request_error","code":"charge_disputed","message":"disputed"}}`
		w.WriteHeader(http.StatusBadRequest)
		answer = s.refused[key]
	case r.Method == http.MethodPost && r.URL.Path == "/v1/refunds":
		if s.asked[key] = r.Form.Encode(); s.refunds[key] == "" {
			s.refunds[key] = fmt.Sprintf(`{"id":"re_%d","object":"refund","status":%q,"failure_reason":"lost_or_stolen_card","metadata":{"order_id":%q,"refund_id":%q}}`,
				len(s.refunds)+1, s.status, r.Form.Get("metadata[order_id]"), r.Form.Get("metadata[refund_id]"))
		}
		answer = s.refunds[key]
	default:
		for _, intent := range s.intents {
			answer = intent
		}
		if strings.HasSuffix(r.URL.Path, "/search") {
			answer = `{"object":"search_result","data":[` + answer + `],"has_more":false}`
		}
	}
	if s.silent {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	_, _ = w.Write([]byte(answer))
}

// TestAChargeWithoutAnAnswerIsFound: Stripe took the money and its answer was lost. The charge is found, and there is one.
func TestAChargeWithoutAnAnswerIsFound(t *testing.T) {
	stand := newStripeFake("succeeded")
	stand.silent = true
	server := httptest.NewServer(stand)
	defer server.Close()
	db := kittest.DB(t, payment.Migrations)
	s := payment.NewService(db, New("sk_test_123", "whsec_test", server.URL), func(context.Context, shop.OrderID) {}, nil)
	c := charge()
	if _, err := s.Charge(t.Context(), c); !errors.Is(err, payment.ErrTimeout) {
		t.Fatalf("%v", err)
	}
	stand.set(func() { stand.silent = false })
	for range 3 {
		receipt, err := s.Charge(t.Context(), c)
		if err != nil || receipt.Reference != "pi_1" {
			t.Fatalf("%+v, %v", receipt, err)
		}
	}
	refund, off := payment.Refund{ID: shop.NewID(), OrderID: c.OrderID, Amount: shop.MustMoney("1.00"), Currency: "USD"}, shop.NewID()
	stand.set(func() { stand.dispute = true })
	if err := s.Refund(t.Context(), refund); !errors.Is(err, payment.ErrRefused) {
		t.Errorf("a refund of a disputed charge: %v", err)
	}
	if err := s.Void(t.Context(), c.OrderID, off); !errors.Is(err, payment.ErrRefused) {
		t.Errorf("a disputed charge is called off: %v", err)
	}
	stand.set(func() { stand.dispute = false })
	if err := s.Refund(t.Context(), refund); !errors.Is(err, payment.ErrRefused) {
		t.Errorf("what Stripe remembers is not what it would say now: %v", err)
	}
	refund.ID, off = shop.NewID(), shop.NewID() // tried again
	for range 2 {
		if err := s.Refund(t.Context(), refund); err != nil {
			t.Fatal(err)
		}
		if err := s.Void(t.Context(), c.OrderID, off); err != nil {
			t.Fatal(err)
		}
	}
	if len(stand.intents) != 1 || len(stand.refunds) != 2 {
		t.Errorf("%d charges and %d refunds, want one and two: %v", len(stand.intents), len(stand.refunds), stand.refunds)
	}
}

// TestMessagesInAnyOrder: what is known for good does not change any more, however late or often Stripe says another thing.
func TestMessagesInAnyOrder(t *testing.T) {
	db := kittest.DB(t, payment.Migrations)
	stand := newStripeFake("succeeded")
	stand.silent = true
	server := httptest.NewServer(stand)
	defer server.Close()
	s := payment.NewService(db, New("sk_test_123", "whsec_test", server.URL), func(context.Context, shop.OrderID) {}, nil)
	c := charge()
	if _, err := s.Charge(t.Context(), c); !errors.Is(err, payment.ErrTimeout) {
		t.Fatal(err)
	}
	say := func(id, kind string) error {
		body := fmt.Appendf(nil, `{"id":%q,"object":"event","type":%q,"data":{"object":{"id":"pi_1","object":"payment_intent","metadata":{"order_id":%q}}}}`, id, kind, c.OrderID)
		signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: "whsec_test"})
		return s.HandleWebhook(t.Context(), "stripe", body, signed.Header)
	}
	for n, kind := range []string{"payment_intent.processing", "payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.succeeded", "payment_intent.created"} {
		if err := say(fmt.Sprint("evt_", n%4), kind); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if p, err := s.Get(t.Context(), c.OrderID); err != nil || p.State != payment.Approved || p.Reference != "pi_1" {
		t.Errorf("%+v, %v", p, err)
	}
	if err := s.HandleWebhook(t.Context(), "simulated", nil, ""); !errors.Is(err, payment.ErrUnknownProvider) {
		t.Errorf("a provider that was not chosen is heard: %v", err)
	}
	var messages int
	if err := db.QueryRow(t.Context(), `select count(*) from payment_webhooks where provider = 'stripe'`).Scan(&messages); err != nil || messages != 4 {
		t.Errorf("%d messages are kept, want each of 4 once, %v", messages, err)
	}
}

func TestSignatures(t *testing.T) {
	body := []byte(`{"id":"evt_1","object":"event","type":"charge.refunded","data":{"object":{}}}`)
	sign := func(key string, at time.Time) string {
		return webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: key, Timestamp: at}).Header
	}
	good := sign("whsec_test", time.Now())
	for name, c := range map[string]struct {
		key, signature string
		body           []byte
	}{
		"none":           {"whsec_test", "", body},
		"another key":    {"whsec_test", sign("whsec_other", time.Now()), body},
		"another body":   {"whsec_test", good, append([]byte(" "), body...)},
		"old":            {"whsec_test", sign("whsec_test", time.Now().Add(-time.Hour)), body},
		"no key of ours": {"", sign("", time.Now()), body},
	} {
		if _, err := New("sk", c.key, "").ParseWebhook(c.body, c.signature); !errors.Is(err, payment.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := New("sk", "whsec_test", "").ParseWebhook(body, good); err != nil || n.ID != "evt_1" || n.State != "" {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestOutcomes(t *testing.T) {
	for status, want := range map[api.PaymentIntentStatus]error{
		api.PaymentIntentStatusSucceeded: nil, api.PaymentIntentStatusProcessing: payment.ErrTimeout, api.PaymentIntentStatusRequiresConfirmation: payment.ErrTimeout,
		api.PaymentIntentStatusCanceled: payment.ErrDeclined, api.PaymentIntentStatusRequiresAction: payment.ErrDeclined,
		api.PaymentIntentStatusRequiresPaymentMethod: payment.ErrDeclined, "something new": payment.ErrDeclined,
	} {
		if _, err := receipt(&api.PaymentIntent{ID: "pi_1", Status: status}); !errors.Is(err, want) {
			t.Errorf("%s: %v", status, err)
		}
	}
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"a card":               {&api.Error{Type: api.ErrorTypeCard, DeclineCode: api.DeclineCodeInsufficientFunds, HTTPStatusCode: 402}, payment.ErrDeclined},
		"already refunded":     {&api.Error{Code: api.ErrorCodeChargeAlreadyRefunded, HTTPStatusCode: 400}, payment.ErrNothingLeft},
		"no such intent":       {&api.Error{Code: api.ErrorCodeResourceMissing, HTTPStatusCode: 404}, payment.ErrNotFound},
		"no such method":       {&api.Error{Code: api.ErrorCodeResourceMissing, HTTPStatusCode: 400}, payment.ErrDeclined},
		"their fault":          {&api.Error{HTTPStatusCode: 503}, payment.ErrTimeout},
		"too often":            {&api.Error{HTTPStatusCode: 429}, payment.ErrProvider},
		"a wrong key":          {&api.Error{HTTPStatusCode: 401}, payment.ErrProvider},
		"the line went dead":   {errors.New("connection reset"), payment.ErrTimeout},
		"it took far too long": {context.DeadlineExceeded, payment.ErrTimeout},
		"two with one key":     {&api.Error{Type: api.ErrorTypeIdempotency, HTTPStatusCode: 409}, payment.ErrProvider},
	} {
		if err := toPaymentError(c.err); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTakenIsOursOrNot(t *testing.T) {
	id := shop.NewID().String()
	intent := func(status api.PaymentIntentStatus, refunded int64, order string) *api.PaymentIntent {
		return &api.PaymentIntent{ID: "pi_1", Status: status, AmountReceived: 2000, Currency: "usd", Metadata: map[string]string{orderKey: order},
			LatestCharge: &api.Charge{AmountRefunded: refunded}}
	}
	for name, c := range map[string]struct {
		intent *api.PaymentIntent
		ours   bool
	}{
		"taken":                 {intent(api.PaymentIntentStatusSucceeded, 0, id), true},
		"partly given back":     {intent(api.PaymentIntentStatusSucceeded, 500, id), true},
		"given back":            {intent(api.PaymentIntentStatusSucceeded, 2000, id), false},
		"refused":               {intent(api.PaymentIntentStatusRequiresPaymentMethod, 0, id), false},
		"of another shop":       {intent(api.PaymentIntentStatusSucceeded, 0, ""), false},
		"of nobody's, one says": {intent(api.PaymentIntentStatusSucceeded, 0, "1"), false},
	} {
		got, ours, err := record(c.intent)
		if err != nil || ours != c.ours || ours && (got.Amount.String() != "20.00" || got.Currency != "USD" || got.OrderID.String() != id) {
			t.Errorf("%s: %+v %v %v", name, got, ours, err)
		}
	}
}
