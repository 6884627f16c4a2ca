package auth_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/auth"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// BenchmarkVerify is what a token costs on the hot path.
func BenchmarkVerify(b *testing.B) {
	signer, _ := newSigner(b)
	knowing := func(ended int) *auth.Verifier {
		v := auth.NewVerifier(func(context.Context, string) (auth.Update, error) {
			told, err := signer.Feed(context.Background(), "")
			for told.TTLSeconds = 960; len(told.Ended) < ended; {
				told.Ended = append(told.Ended, uuid.New())
			}
			return told, err
		})
		if err := auth.UpdateNow(v, ""); err != nil {
			b.Fatal(err)
		}
		return v
	}
	tokens := func(n int) (all []string) {
		for range n {
			token, err := signer.Sign(kittest.NewCaller(shop.User), time.Hour)
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, token)
		}
		return all
	}
	check := func(v *auth.Verifier, token string) {
		if _, err := v.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []struct {
		name          string
		tokens, ended int
	}{
		{"seen", 1, 0}, {"seen, 1000 tokens", 1000, 0}, {"seen, 10000 sessions ended", 1, 10_000},
		{"new", 1 << 17, 0}, // so many that none is remembered
		{"new, 10000 sessions ended", 1 << 17, 10_000},
	} {
		b.Run(c.name, func(b *testing.B) {
			v, all := knowing(c.ended), tokens(min(c.tokens, b.N))
			if c.tokens <= 1000 {
				for _, token := range all {
					check(v, token)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				check(v, all[i%len(all)])
			}
		})
	}
	b.Run("seen, by all processors at once", func(b *testing.B) {
		v, all := knowing(10_000), tokens(100)
		b.RunParallel(func(p *testing.PB) {
			for i := 0; p.Next(); i++ {
				check(v, all[i%len(all)])
			}
		})
	})
	b.Run("an end more, 10000 known", func(b *testing.B) {
		v := knowing(10_000)
		all := make([]uuid.UUID, 1)
		w := auth.Copy(v, func(context.Context, string) (auth.Update, error) {
			told, err := signer.Feed(context.Background(), "")
			told.Ended, told.TTLSeconds = all, 960
			return told, err
		})
		for b.Loop() {
			if err := auth.UpdateNow(w, ""); err != nil {
				b.Fatal(err)
			}
		}
	})
}
