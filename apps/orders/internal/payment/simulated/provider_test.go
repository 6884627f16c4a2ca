package simulated_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/orders/internal/payment"
	"sidecart/apps/orders/internal/payment/simulated"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func charge(token string) payment.Charge {
	return payment.Charge{
		OrderID: shop.OrderID{UUID: shop.NewID()}, Amount: shop.MustMoney("599.98"), Currency: "USD", Token: token,
	}
}

func TestTokens(t *testing.T) {
	p := simulated.New(kittest.DB(t, payment.Migrations), "key")
	for token, attempts := range map[string][]error{
		"":                       {nil, nil},
		"tok_visa":               {nil, nil},
		"tok_declined":           {payment.ErrDeclined, payment.ErrDeclined},
		"tok_insufficient_funds": {payment.ErrDeclined},
		"tok_timeout":            {payment.ErrTimeout, payment.ErrTimeout},
		"tok_error":              {payment.ErrProvider, payment.ErrProvider, nil, nil},
	} {
		c := charge(token)
		for n, want := range attempts {
			receipt, err := p.Charge(t.Context(), c)
			if !errors.Is(err, want) || (err == nil && receipt.Reference == "") {
				t.Errorf("%s, attempt %d: %+v, %v", token, n+1, receipt, err)
			}
		}
	}
}

func TestTimeoutSettlesLater(t *testing.T) {
	p, c := simulated.New(kittest.DB(t, payment.Migrations), "key"), charge("tok_timeout")
	if _, err := p.Find(t.Context(), c.OrderID, ""); !errors.Is(err, payment.ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := p.Charge(t.Context(), c); !errors.Is(err, payment.ErrTimeout) {
		t.Fatal(err)
	}
	kittest.Eventually(t, 20*time.Second, func() error {
		_, err := p.Find(t.Context(), c.OrderID, "")
		return err
	})
}

func TestVoidPreventsALateCharge(t *testing.T) {
	p := simulated.New(kittest.DB(t, payment.Migrations), "key")
	charged, late, slow := charge(""), charge(""), charge("tok_timeout")
	if _, err := p.Charge(t.Context(), charged); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Charge(t.Context(), slow); !errors.Is(err, payment.ErrTimeout) {
		t.Fatal(err)
	}
	for range 2 {
		for _, c := range []payment.Charge{charged, late, slow} {
			if err := p.Void(t.Context(), c.OrderID, "", uuid.Nil); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Charge(t.Context(), c); !errors.Is(err, payment.ErrDeclined) {
				t.Errorf("charged after it was voided: %v", err)
			}
		}
	}
}

func TestPartialRefunds(t *testing.T) {
	db := kittest.DB(t, payment.Migrations)
	p, c := simulated.New(db, "key"), charge("")
	if _, err := p.Charge(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	refund := func(amount string) payment.Refund {
		return payment.Refund{ID: shop.NewID(), OrderID: c.OrderID, Amount: shop.MustMoney(amount), Currency: "USD"}
	}
	first := refund("100.00")
	var all sync.WaitGroup
	for range 8 { // one refund, repeated concurrently
		all.Go(func() {
			if err := p.Refund(context.Background(), first, ""); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := p.Refund(t.Context(), refund("499.99"), ""); !errors.Is(err, payment.ErrNothingLeft) {
		t.Errorf("more than was charged: %v", err)
	}
	for range 2 {
		if err := p.Void(t.Context(), c.OrderID, "", uuid.Nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Refund(t.Context(), refund("0.01"), ""); !errors.Is(err, payment.ErrNothingLeft) {
		t.Errorf("a cent more than was charged: %v", err)
	}
	var refunded, entries shop.Money
	err := db.QueryRow(t.Context(), `
		select l.refunded, (select sum(amount) from simulated_refunds r where r.key = l.key) from simulated_ledger l`).
		Scan(&refunded, &entries)
	if err != nil || refunded.String() != "599.98" || entries.String() != "599.98" {
		t.Errorf("%s and %s of 599.98 were refunded, %v", refunded, entries, err)
	}
}

func TestSignatures(t *testing.T) {
	p, now := simulated.New(nil, "key"), time.Now()
	body := fmt.Appendf(nil, `{"id":"1","type":"charge.approved","order_id":%q}`, shop.NewID())
	valid := simulated.Sign("key", body, now)
	for name, c := range map[string]struct {
		body      []byte
		signature string
	}{
		"no signature":     {body, ""},
		"another key":      {body, simulated.Sign("other", body, now)},
		"another body":     {append([]byte(" "), body...), valid},
		"old":              {body, simulated.Sign("key", body, now.Add(-10*time.Minute))},
		"from the future":  {body, simulated.Sign("key", body, now.Add(10*time.Minute))},
		"another time":     {body, strings.Replace(valid, "t=", "t=1", 1)},
		"half a signature": {body, valid[:len(valid)-2]},
		"no hex":           {body, "t=1,v1=zz"},
	} {
		if _, err := p.ParseWebhook(c.body, c.signature); !errors.Is(err, payment.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if e, err := p.ParseWebhook(body, valid); err != nil || e.State != payment.Approved || e.ID != "1" {
		t.Errorf("%+v, %v", e, err)
	}
	withoutKey := simulated.New(nil)
	if _, err := withoutKey.ParseWebhook(body, simulated.Sign("", body, now)); !errors.Is(err, payment.ErrSignature) {
		t.Errorf("signed with an empty key: %v", err)
	}
}

// TestKeysAreRolled: a message is accepted if one of its signatures is of one of the keys.
func TestKeysAreRolled(t *testing.T) {
	now := time.Now()
	body := fmt.Appendf(nil, `{"id":"1","type":"charge.approved","order_id":%q}`, shop.NewID())
	_, wrong, _ := strings.Cut(simulated.Sign("another", body, now), ",")
	at, right, _ := strings.Cut(simulated.Sign("key", body, now), ",")
	many := strings.Repeat(wrong+",", 200)
	for name, c := range map[string]struct {
		keys      []string
		signature string
		valid     bool
	}{
		"wrong, right":          {[]string{"key"}, at + "," + wrong + "," + right, true},
		"right, wrong":          {[]string{"key"}, at + "," + right + "," + wrong, true},
		"old key":               {[]string{"new", "key"}, at + "," + right, true},
		"new key":               {[]string{"key", "old"}, at + "," + right, true},
		"both wrong":            {[]string{"key"}, at + "," + wrong + "," + wrong, false},
		"neither key":           {[]string{"new", "old"}, at + "," + right, false},
		"other scheme":          {[]string{"key"}, at + ",v0=" + right[3:] + "," + right, true},
		"only another scheme":   {[]string{"key"}, at + ",v0=" + right[3:], false},
		"no hex, right":         {[]string{"key"}, at + ",v1=zz,v1=," + right, true},
		"spaces":                {[]string{"key"}, " " + at + " , " + right + " ", true},
		"upper-case hex":        {[]string{"key"}, at + ",v1=" + strings.ToUpper(right[3:]), true},
		"time last":             {[]string{"key"}, right + "," + at, true},
		"many wrong, right":     {[]string{"key"}, at + "," + many + right, true},
		"two times":             {[]string{"key"}, "t=1," + at + "," + right, false},
		"the same time twice":   {[]string{"key"}, at + "," + at + "," + right, false},
		"a part without a name": {[]string{"key"}, at + ",," + right, false},
		"no time":               {[]string{"key"}, right, false},
		"time with a sign":      {[]string{"key"}, "t=+" + at[2:] + "," + right, false},
		"longer signature":      {[]string{"key"}, at + "," + right + "00", false},
		"empty signature":       {[]string{"key"}, at + ",v1=", false},
	} {
		_, err := simulated.New(nil, c.keys...).ParseWebhook(body, c.signature)
		if c.valid && err != nil || !c.valid && !errors.Is(err, payment.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
