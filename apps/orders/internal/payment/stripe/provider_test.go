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
	"testing"
	"time"

	api "github.com/stripe/stripe-go/v83"
	"github.com/stripe/stripe-go/v83/webhook"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// mock runs stripe-mock, which validates requests against Stripe's API and has no state.
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
		res, err := http.Get(address) //nolint:noctx // checks whether it listens
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
	return New("sk_test_123", []string{"whsec_test"}, address)
}

func charge() payment.Charge {
	return payment.Charge{
		OrderID: shop.OrderID{UUID: shop.NewID()}, Amount: shop.MustMoney("599.98"), Currency: "USD", Token: "pm_card_visa",
	}
}

// TestStripeAcceptsRequests: all requests are valid in Stripe's API. The mock's response is always a declined payment.
func TestStripeAcceptsRequests(t *testing.T) {
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
	refund := payment.Refund{ID: shop.NewID(), OrderID: c.OrderID, Amount: c.Amount, Currency: "USD"}
	if err := p.Refund(t.Context(), refund, "pi_1"); err != nil {
		t.Errorf("refund: %v", err)
	}
	if err := p.Void(t.Context(), c.OrderID, "pi_1", shop.NewID()); err != nil {
		t.Errorf("void: %v", err)
	}
	err := p.ListCharges(t.Context(), time.Now().Add(-time.Hour), time.Now(), func(r payment.Record) error {
		return fmt.Errorf("%+v is of this shop", r)
	})
	if err != nil {
		t.Errorf("list: %v", err)
	}
	wrong := c
	wrong.Token = strings.Repeat("x", 6000)
	if _, err := p.Charge(t.Context(), wrong); err == nil || errors.Is(err, payment.ErrTimeout) {
		t.Errorf("the mock must refuse an invalid token: %v", err)
	}
}

// TestLostResponse: the response to a charge is lost. The charge is found and not repeated.
func TestLostResponse(t *testing.T) {
	fake := newStripeFake("succeeded")
	fake.silent = true
	server := httptest.NewServer(fake)
	defer server.Close()
	db := kittest.DB(t, payment.Migrations)
	s := payment.NewService(db, New("sk_test_123", []string{"whsec_test"}, server.URL), func(context.Context, shop.OrderID) {}, nil)
	c := charge()
	if _, err := s.Charge(t.Context(), c); !errors.Is(err, payment.ErrTimeout) {
		t.Fatalf("%v", err)
	}
	fake.set(func() { fake.silent = false })
	for range 3 {
		receipt, err := s.Charge(t.Context(), c)
		if err != nil || receipt.Reference != "pi_1" {
			t.Fatalf("%+v, %v", receipt, err)
		}
	}
	refund := payment.Refund{ID: shop.NewID(), OrderID: c.OrderID, Amount: shop.MustMoney("1.00"), Currency: "USD"}
	voidID := shop.NewID()
	fake.set(func() { fake.dispute = true })
	if err := s.Refund(t.Context(), refund); !errors.Is(err, payment.ErrRefused) {
		t.Errorf("a refund of a disputed charge: %v", err)
	}
	if err := s.Void(t.Context(), c.OrderID, voidID); !errors.Is(err, payment.ErrRefused) {
		t.Errorf("a disputed charge is voided: %v", err)
	}
	fake.set(func() { fake.dispute = false })
	if err := s.Refund(t.Context(), refund); !errors.Is(err, payment.ErrRefused) {
		t.Errorf("Stripe must repeat its response to the key: %v", err)
	}
	refund.ID, voidID = shop.NewID(), shop.NewID() // a retry
	for range 2 {
		if err := s.Refund(t.Context(), refund); err != nil {
			t.Fatal(err)
		}
		if err := s.Void(t.Context(), c.OrderID, voidID); err != nil {
			t.Fatal(err)
		}
	}
	if len(fake.intents) != 1 || len(fake.refunds) != 2 {
		t.Errorf("%d charges and %d refunds, want one and two: %v", len(fake.intents), len(fake.refunds), fake.refunds)
	}
}

// TestWebhooksInAnyOrder: a known result is final, also if later webhooks differ or are repeated.
func TestWebhooksInAnyOrder(t *testing.T) {
	db := kittest.DB(t, payment.Migrations)
	fake := newStripeFake("succeeded")
	fake.silent = true
	server := httptest.NewServer(fake)
	defer server.Close()
	s := payment.NewService(db, New("sk_test_123", []string{"whsec_test"}, server.URL), func(context.Context, shop.OrderID) {}, nil)
	c := charge()
	if _, err := s.Charge(t.Context(), c); !errors.Is(err, payment.ErrTimeout) {
		t.Fatal(err)
	}
	send := func(id, kind string) error {
		body := fmt.Appendf(nil, `{"id":%q,"object":"event","type":%q,"data":{"object":{
			"id":"pi_1","object":"payment_intent","metadata":{"order_id":%q}}}}`, id, kind, c.OrderID)
		signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: "whsec_test"})
		return s.HandleWebhook(t.Context(), "stripe", body, signed.Header)
	}
	for n, kind := range []string{
		"payment_intent.processing", "payment_intent.succeeded", "payment_intent.payment_failed",
		"payment_intent.succeeded", "payment_intent.created",
	} {
		if err := send(fmt.Sprint("evt_", n%4), kind); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if p, err := s.Get(t.Context(), c.OrderID); err != nil || p.State != payment.Approved || p.Reference != "pi_1" {
		t.Errorf("%+v, %v", p, err)
	}
	if err := s.HandleWebhook(t.Context(), "simulated", nil, ""); !errors.Is(err, payment.ErrUnknownProvider) {
		t.Errorf("webhook of another provider: %v", err)
	}
	var webhooks int
	err := db.QueryRow(t.Context(), `select count(*) from payment_webhooks where provider = 'stripe'`).Scan(&webhooks)
	if err != nil || webhooks != 4 {
		t.Errorf("%d webhooks are stored, want 4, %v", webhooks, err)
	}
}

func TestSignatures(t *testing.T) {
	body := []byte(`{"id":"evt_1","object":"event","type":"charge.refunded","data":{"object":{}}}`)
	sign := func(key string, at time.Time) string {
		return webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: key, Timestamp: at}).Header
	}
	now := time.Now()
	valid := sign("whsec_test", now)
	for name, c := range map[string]struct {
		keys      []string
		signature string
		body      []byte
	}{
		"none":         {[]string{"whsec_test"}, "", body},
		"another key":  {[]string{"whsec_test", "whsec_old"}, sign("whsec_other", time.Now()), body},
		"another body": {[]string{"whsec_test"}, valid, append([]byte(" "), body...)},
		"old":          {[]string{"whsec_test"}, sign("whsec_test", time.Now().Add(-time.Hour)), body},
		"no key":       {nil, sign("", time.Now()), body},
	} {
		if _, err := New("sk", c.keys, "").ParseWebhook(c.body, c.signature); !errors.Is(err, payment.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	at, right, _ := strings.Cut(valid, ",")
	_, wrong, _ := strings.Cut(sign("whsec_other", now), ",")
	for name, c := range map[string]struct {
		keys      []string
		signature string
	}{
		"one key":     {[]string{"whsec_test"}, valid},
		"old key":     {[]string{"whsec_new", "whsec_test"}, valid},
		"new key":     {[]string{"whsec_test", "whsec_old"}, valid},
		"wrong first": {[]string{"whsec_test"}, at + "," + wrong + "," + right},
		"wrong last":  {[]string{"whsec_new", "whsec_test"}, at + "," + right + "," + wrong},
	} {
		n, err := New("sk", c.keys, "").ParseWebhook(body, c.signature)
		if err != nil || n.ID != "evt_1" || n.State != "" {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

func TestResults(t *testing.T) {
	for status, want := range map[api.PaymentIntentStatus]error{
		api.PaymentIntentStatusSucceeded:             nil,
		api.PaymentIntentStatusProcessing:            payment.ErrTimeout,
		api.PaymentIntentStatusRequiresConfirmation:  payment.ErrTimeout,
		api.PaymentIntentStatusCanceled:              payment.ErrDeclined,
		api.PaymentIntentStatusRequiresAction:        payment.ErrDeclined,
		api.PaymentIntentStatusRequiresPaymentMethod: payment.ErrDeclined,
		"something new":                              payment.ErrDeclined,
	} {
		if _, err := receipt(&api.PaymentIntent{ID: "pi_1", Status: status}); !errors.Is(err, want) {
			t.Errorf("%s: %v", status, err)
		}
	}
	declined := &api.Error{
		Type: api.ErrorTypeCard, DeclineCode: api.DeclineCodeInsufficientFunds, HTTPStatusCode: 402,
	}
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"card declined":     {declined, payment.ErrDeclined},
		"already refunded":  {&api.Error{Code: api.ErrorCodeChargeAlreadyRefunded, HTTPStatusCode: 400}, payment.ErrNothingLeft},
		"unknown intent":    {&api.Error{Code: api.ErrorCodeResourceMissing, HTTPStatusCode: 404}, payment.ErrNotFound},
		"unknown method":    {&api.Error{Code: api.ErrorCodeResourceMissing, HTTPStatusCode: 400}, payment.ErrDeclined},
		"server error":      {&api.Error{HTTPStatusCode: 503}, payment.ErrTimeout},
		"rate limited":      {&api.Error{HTTPStatusCode: 429}, payment.ErrProvider},
		"wrong API key":     {&api.Error{HTTPStatusCode: 401}, payment.ErrProvider},
		"connection reset":  {errors.New("connection reset"), payment.ErrTimeout},
		"deadline exceeded": {context.DeadlineExceeded, payment.ErrTimeout},
		"concurrent key":    {&api.Error{Type: api.ErrorTypeIdempotency, HTTPStatusCode: 409}, payment.ErrProvider},
	} {
		if err := toPaymentError(c.err); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRecord(t *testing.T) {
	id := shop.NewID().String()
	intent := func(status api.PaymentIntentStatus, refunded int64, order string) *api.PaymentIntent {
		return &api.PaymentIntent{
			ID: "pi_1", Status: status, AmountReceived: 2000, Currency: "usd",
			Metadata: map[string]string{orderKey: order}, LatestCharge: &api.Charge{AmountRefunded: refunded},
		}
	}
	for name, c := range map[string]struct {
		intent   *api.PaymentIntent
		relevant bool
	}{
		"charged":            {intent(api.PaymentIntentStatusSucceeded, 0, id), true},
		"partially refunded": {intent(api.PaymentIntentStatusSucceeded, 500, id), true},
		"fully refunded":     {intent(api.PaymentIntentStatusSucceeded, 2000, id), false},
		"declined":           {intent(api.PaymentIntentStatusRequiresPaymentMethod, 0, id), false},
		"of another shop":    {intent(api.PaymentIntentStatusSucceeded, 0, ""), false},
		"with an invalid id": {intent(api.PaymentIntentStatusSucceeded, 0, "1"), false},
	} {
		got, relevant, err := record(c.intent)
		if err != nil || relevant != c.relevant ||
			relevant && (got.Amount.String() != "20.00" || got.Currency != "USD" || got.OrderID.String() != id) {
			t.Errorf("%s: %+v %v %v", name, got, relevant, err)
		}
	}
}
