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

// BenchmarkVerify measures a verification, with and without the cache.
func BenchmarkVerify(b *testing.B) {
	signer, _ := newSigner(b)
	newVerifier := func(ended int) *auth.Verifier {
		v := auth.NewVerifier(func(ctx context.Context, cursor string) (auth.Update, error) {
			update, err := signer.Feed(ctx, cursor)
			for update.TTLSeconds = 960; len(update.EndedSessions) < ended; {
				update.EndedSessions = append(update.EndedSessions, uuid.New())
			}
			return update, err
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
		{"cached", 1, 0}, {"cached, 1000 tokens", 1000, 0}, {"cached, 10000 ended sessions", 1, 10_000},
		{"new", 1 << 17, 0}, // too many for the cache
		{"new, 10000 ended sessions", 1 << 17, 10_000},
	} {
		b.Run(c.name, func(b *testing.B) {
			v, all := newVerifier(c.ended), tokens(min(c.tokens, b.N))
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
	b.Run("cached, on all processors", func(b *testing.B) {
		v, all := newVerifier(10_000), tokens(100)
		b.RunParallel(func(p *testing.PB) {
			for i := 0; p.Next(); i++ {
				check(v, all[i%len(all)])
			}
		})
	})
	b.Run("update with one of 10000 ended sessions", func(b *testing.B) {
		v := newVerifier(10_000)
		ended := make([]uuid.UUID, 1)
		w := auth.Copy(v, func(ctx context.Context, cursor string) (auth.Update, error) {
			update, err := signer.Feed(ctx, cursor)
			update.EndedSessions, update.TTLSeconds = ended, 960
			return update, err
		})
		for b.Loop() {
			if err := auth.UpdateNow(w, ""); err != nil {
				b.Fatal(err)
			}
		}
	})
}
