package auth

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"sidecart/kit/shop"
)

// verified is a token with a valid signature.
type verified struct {
	token     string
	caller    shop.Caller
	expiresAt time.Time
}

// tokenCache holds tokens with valid signatures, so that a signature is checked once a token. A token is stored in the
// slot of its hash and replaces the one before: the cache is bounded and takes no lock.
type tokenCache struct {
	seed  maphash.Seed
	slots [1 << 15]atomic.Pointer[verified] // at most about 20 MB of tokens
}

func newTokenCache() *tokenCache { return &tokenCache{seed: maphash.MakeSeed()} }

func (c *tokenCache) slot(token string) *atomic.Pointer[verified] {
	return &c.slots[maphash.String(c.seed, token)%uint64(len(c.slots))]
}

// get returns nil for a token that is not cached.
func (c *tokenCache) get(token string) *verified {
	if v := c.slot(token).Load(); v != nil && v.token == token {
		return v
	}
	return nil
}

func (c *tokenCache) put(v *verified) { c.slot(v.token).Store(v) }
