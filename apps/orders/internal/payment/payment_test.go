package payment_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/orders/internal/payment"
	"sidecart/apps/orders/internal/payment/simulated"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func charge(token string) payment.Charge {
	return payment.Charge{OrderID: shop.OrderID{UUID: shop.NewID()}, Amount: shop.MustMoney("599.98"), Currency: "USD", Token: token}
}

func open(t *testing.T) (*pgxpool.Pool, *payment.Service) {
	t.Helper()
	db := kittest.DB(t, payment.Migrations)
	return db, newService(db, simulated.New(db, "key"), func(context.Context, shop.OrderID) {})
}

func newService(db *pgxpool.Pool, provider payment.Provider, settled payment.OnSettled) *payment.Service {
	return payment.NewService(db, provider, settled, func(context.Context, shop.OrderID, uuid.UUID, string) (payment.Record, bool, error) {
		return payment.Record{}, false, nil
	})
}

// totalCharged is how much the provider holds in the end, and of how many charges.
func totalCharged(t *testing.T, db *pgxpool.Pool) (charges int, amount shop.Money) {
	t.Helper()
	err := db.QueryRow(t.Context(), `
		select count(*), coalesce(sum(amount - refunded), 0) from simulated_ledger where state = 'approved'`).Scan(&charges, &amount)
	if err != nil {
		t.Fatal(err)
	}
	return charges, amount
}

func TestChargedOnceHoweverOften(t *testing.T) {
	db, s := open(t)
	c := charge("")
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if _, err := s.Charge(context.Background(), c); err != nil {
				t.Errorf("charge: %v", err)
			}
		})
	}
	all.Wait()
	if n, amount := totalCharged(t, db); n != 1 || amount.String() != "599.98" {
		t.Errorf("%d charges of %s", n, amount)
	}
}

func TestResultsAreStored(t *testing.T) {
	_, s := open(t)
	for token, attempts := range map[string][]error{
		"":                       {nil, nil},
		"tok_declined":           {payment.ErrDeclined, payment.ErrDeclined},
		"tok_insufficient_funds": {payment.ErrDeclined, payment.ErrDeclined},
		"tok_error":              {payment.ErrProvider, payment.ErrProvider, nil, nil},
	} {
		c := charge(token)
		var reason string
		for n, want := range attempts {
			_, err := s.Charge(t.Context(), c)
			if !errors.Is(err, want) {
				t.Errorf("%s, attempt %d: %v", token, n+1, err)
			}
			if err != nil && n > 0 && err.Error() != reason {
				t.Errorf("%s: first %s, then %v", token, reason, err)
			}
			if err != nil {
				reason = err.Error()
			}
		}
	}
}

// TestTimeout: a charge without a response is looked up, not repeated.
func TestTimeout(t *testing.T) {
	db, s := open(t)
	c := charge("tok_timeout")
	for range 3 {
		if _, err := s.Charge(t.Context(), c); !errors.Is(err, payment.ErrTimeout) {
			t.Fatal(err)
		}
	}
	kittest.Eventually(t, 20*time.Second, func() error {
		_, err := s.Charge(t.Context(), c)
		return err
	})
	var attempts int
	err := db.QueryRow(t.Context(), `select attempts from simulated_ledger where key = $1`, c.OrderID).Scan(&attempts)
	if err != nil || attempts != 1 {
		t.Errorf("%d charge requests, %v", attempts, err)
	}
}

func TestVoid(t *testing.T) {
	db, s := open(t)
	made, late := charge(""), charge("")
	if _, err := s.Charge(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	for _, c := range []payment.Charge{made, late} {
		for range 2 {
			if err := s.Void(t.Context(), c.OrderID, uuid.Nil); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Charge(t.Context(), c); !errors.Is(err, payment.ErrDeclined) {
				t.Errorf("charged after it was voided: %v", err)
			}
		}
	}
	refund := payment.Refund{ID: shop.NewID(), OrderID: made.OrderID, Amount: shop.MustMoney("1.00")}
	if err := s.Refund(t.Context(), refund); err != nil {
		t.Errorf("a refund of a voided charge: %v", err)
	}
	if n, amount := totalCharged(t, db); n != 0 {
		t.Errorf("%s is still charged", amount)
	}
}

// TestVoidRacesWithCharge: in any order, nothing stays charged.
func TestVoidRacesWithCharge(t *testing.T) {
	db, s := open(t)
	var charged, refused atomic.Int32
	for range 30 {
		c := charge("")
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := s.Charge(context.Background(), c); err == nil {
				charged.Add(1)
			} else if errors.Is(err, payment.ErrDeclined) {
				refused.Add(1)
			} else {
				t.Error(err)
			}
		})
		both.Go(func() {
			if err := s.Void(context.Background(), c.OrderID, uuid.Nil); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
	}
	if n, amount := totalCharged(t, db); n != 0 {
		t.Errorf("%d charges of %s are left; %d were charged and %d refused", n, amount, charged.Load(), refused.Load())
	}
}

func TestWebhooks(t *testing.T) {
	db := kittest.DB(t, payment.Migrations)
	app := web.New("orders", web.Config{Verify: kittest.Verify})
	var settled atomic.Int32
	s := newService(db, simulated.New(db, "key"), func(context.Context, shop.OrderID) { settled.Add(1) })
	s.Routes(app)
	waiting, declined := charge("tok_timeout"), charge("tok_timeout")
	for _, c := range []payment.Charge{waiting, declined} {
		if _, err := s.Charge(t.Context(), c); !errors.Is(err, payment.ErrTimeout) {
			t.Fatal(err)
		}
	}
	send := func(name, id, kind string, key shop.OrderID, want int) kittest.Call {
		body := fmt.Sprintf(`{"id":%q,"type":%q,"order_id":%q,"reason":"no funds"}`, id, kind, key)
		return kittest.Call{Name: name, Do: "POST /payments/webhooks/simulated", Body: body, Want: want,
			Header: map[string]string{"Payment-Signature": simulated.Sign("key", []byte(body), time.Now())}}
	}
	unsigned := send("unsigned", "0", "charge.declined", waiting.OrderID, 401)
	unsigned.Header = nil
	raw := func(name, body string, want int, has ...string) kittest.Call {
		return kittest.Call{Name: name, Do: "POST /payments/webhooks/simulated", Body: body, Want: want, Has: has,
			Header: map[string]string{"Payment-Signature": simulated.Sign("key", []byte(body), time.Now())}}
	}
	otherHeader := send("with a header of another provider", "4", "payout.made", waiting.OrderID, 204)
	otherHeader.Header["Stripe-Signature"] = "t=1,v1=00"
	kittest.Run(t, app, nil, []kittest.Call{
		unsigned,
		{Name: "another provider", Do: "POST /payments/webhooks/other", Body: `{}`, Want: 404},
		{Name: "no JSON", Do: "POST /payments/webhooks/simulated", Body: `x`, Want: 415,
			Header: map[string]string{"Content-Type": "text/plain"}},
		send("approved", "1", "charge.approved", waiting.OrderID, 204),
		send("approved, sent again", "1", "charge.approved", waiting.OrderID, 204),
		send("declined too late", "2", "charge.declined", waiting.OrderID, 204),
		send("of an unknown order", "3", "charge.approved", shop.OrderID{UUID: shop.NewID()}, 204),
		send("about something else", "4", "payout.made", waiting.OrderID, 204),
		otherHeader,
		raw("half a message", `{`, 400), raw("not an object", `[1]`, 400), raw("no UTF-8", "{\"id\":\"\xff\"}", 400),
		raw("an order that is no id", `{"id":"6","order_id":"x"}`, 400),
		raw("no id", `{"type":"charge.approved"}`, 422, `"id":"is required"`), raw("null", `null`, 422, `"id":"is required"`),
		raw("a NUL in the id", `{"id":"6\u0000","type":"x"}`, 422), raw("a NUL in the type", `{"id":"6","type":"\u0000"}`, 422),
		send("declined", "5", "charge.declined", declined.OrderID, 204),
		{Name: "discrepancies are for admins", As: kittest.NewCaller(shop.User), Do: "GET /payments/discrepancies", Want: 403},
		{Name: "no discrepancies", As: kittest.NewCaller(shop.Admin), Do: "GET /payments/discrepancies", Want: 200,
			Has: []string{`{"items":[],"next_cursor":null}`}},
	})
	if _, err := s.Charge(t.Context(), waiting); err != nil {
		t.Errorf("approved by webhook: %v", err)
	}
	if _, err := s.Charge(t.Context(), declined); !errors.Is(err, payment.ErrDeclined) {
		t.Errorf("declined by webhook: %v", err)
	}
	var webhooks int
	err := db.QueryRow(t.Context(), `select count(*) from payment_webhooks`).Scan(&webhooks)
	if err != nil || webhooks != 5 || settled.Load() == 0 {
		t.Errorf("%d webhooks are stored, %d settled, %v", webhooks, settled.Load(), err)
	}
}

// TestApprovedAfterVoid: a charge that is approved after it was voided is refunded.
func TestApprovedAfterVoid(t *testing.T) {
	db, s := open(t)
	provider, c := simulated.New(db, "key"), charge("")
	if err := s.Void(t.Context(), c.OrderID, uuid.Nil); err != nil {
		t.Fatal(err)
	}
	if _, err := provider.Charge(t.Context(), c); err != nil { // by an earlier activity
		t.Fatal(err)
	}
	body := fmt.Appendf(nil, `{"id":"1","type":"charge.approved","order_id":%q}`, c.OrderID)
	if err := s.HandleWebhook(t.Context(), "simulated", body, simulated.Sign("key", body, time.Now())); err != nil {
		t.Fatal(err)
	}
	if n, amount := totalCharged(t, db); n != 0 {
		t.Errorf("%s is still charged", amount)
	}
}

// otherProvider is the simulated provider with another name, as after a change of PAYMENT_PROVIDER.
type otherProvider struct{ *simulated.Provider }

func (otherProvider) Name() string { return "other" }

func TestChangedProvider(t *testing.T) {
	db, before := open(t)
	after, made, waiting := newService(db, otherProvider{simulated.New(db, "key")}, nil), charge(""), charge("tok_timeout")
	if _, err := before.Charge(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	if _, err := before.Charge(t.Context(), waiting); !errors.Is(err, payment.ErrTimeout) {
		t.Fatal(err)
	}
	refund := payment.Refund{ID: shop.NewID(), OrderID: made.OrderID, Amount: shop.MustMoney("1.00"), Currency: "USD"}
	if err := after.Refund(t.Context(), refund); !errors.Is(err, payment.ErrProvider) {
		t.Errorf("refund: %v", err)
	}
	if _, err := after.Charge(t.Context(), waiting); !errors.Is(err, payment.ErrProvider) {
		t.Errorf("charge: %v", err)
	}
	if _, err := after.Charge(t.Context(), made); err != nil {
		t.Errorf("a settled charge: %v", err)
	}
	if n, amount := totalCharged(t, db); n != 1 || amount.String() != "599.98" {
		t.Errorf("%d charges, %s", n, amount)
	}
	if err := before.Refund(t.Context(), refund); err != nil {
		t.Errorf("refund by the first provider: %v", err)
	}
}
