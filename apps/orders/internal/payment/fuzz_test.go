package payment_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"sidecart/apps/orders/internal/payment"
	"sidecart/apps/orders/internal/payment/simulated"
	"sidecart/apps/orders/internal/payment/stripe"
)

// otherParts are parts of a signature header that do not decide whether it is valid.
var otherParts = regexp.MustCompile(`^((v0|v1|[a-z]{2,8})=[0-9A-Za-z]*,)*$`)

// FuzzWebhook: no header or body breaks the reader of a provider, a header is valid only with a signature of one of the
// keys, and then whatever other signatures it has.
func FuzzWebhook(f *testing.F) {
	const hex = "5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"
	for _, seed := range []string{
		"", ",", "=", "t=", "t=1,v1=" + hex, "t=1,v1=" + hex + ",v1=" + hex + ",", "v1=" + hex + ",", "v0=" + hex + ",", "t=1,t=1,v1=zz",
		"t=+1,v1=00", "t=9223372036854775808,v1=00", "t=-9223372036854775808,v1=", "t =1, v1 =00", "t=1;v1=00", "t=1,v1=00=,v1", "v1=zz,v1=,",
		strings.ToUpper("t=1,v1=" + hex), strings.Repeat("v1="+hex+",", 1000), "t=1,v1=\x00", "\xff", "v1=\u00e9,",
	} {
		f.Add(seed, []byte(`{"id":"m-1","type":"charge.approved","order_id":"0192f0c1-2d3e-7abc-8def-0123456789ab"}`))
		f.Add(seed, []byte(`{"id":"evt_1","object":"event","type":"payment_intent.succeeded","data":{"object":{"metadata":{"order_id":"x"}}}}`))
	}
	f.Add("t=1", []byte("\xff"))
	f.Add("t=1", []byte(`{"id":"\u0000","order_id":7}`))
	providers := []payment.Provider{simulated.New(nil, "new", "old"), stripe.New("sk", []string{"new", "old"}, "")}
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		now := time.Now()
		for _, p := range providers {
			if _, err := p.ParseWebhook(body, header); !errors.Is(err, payment.ErrSignature) {
				t.Errorf("%s accepts the signature %q: %v", p.Name(), header, err)
			}
			for _, key := range []string{"new", "old", "another"} {
				at, right, _ := strings.Cut(simulated.Sign(key, body, now), ",")
				_, err := p.ParseWebhook(body, at+","+header+right)
				refused := errors.Is(err, payment.ErrSignature)
				switch {
				case key == "another" && !refused:
					t.Errorf("%s accepts a signature of another key: %v", p.Name(), err)
				case key != "another" && refused && otherParts.MatchString(header) && p.Name() == "simulated":
					t.Errorf("%s refuses a signature of the key %s among %q: %v", p.Name(), key, header, err)
				}
			}
		}
	})
}
