package auth

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"sidecart/kit/shop"
)

// verified is a token whose signature was good: who it speaks for, and until when.
type verified struct {
	token     string
	caller    shop.Caller
	expiresAt time.Time
}

// tokenCache remembers tokens whose signatures were good: the same client sends the same one. Each token has one place, which the
// next one that falls there takes over; so it is bounded, and neither reading nor writing waits for anybody.
type tokenCache struct {
	seed  maphash.Seed
	slots [1 << 15]atomic.Pointer[verified] // at most some 20 MB of tokens
}

func newTokenCache() *tokenCache { return &tokenCache{seed: maphash.MakeSeed()} }

func (m *tokenCache) slot(token string) *atomic.Pointer[verified] {
	return &m.slots[maphash.String(m.seed, token)%uint64(len(m.slots))]
}

// get is nil for a token that is not remembered.
func (m *tokenCache) get(token string) *verified {
	if v := m.slot(token).Load(); v != nil && v.token == token {
		return v
	}
	return nil
}

func (m *tokenCache) put(v *verified) { m.slot(v.token).Store(v) }
