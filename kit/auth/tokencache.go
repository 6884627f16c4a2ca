package auth

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"sidecart/kit/shop"
)

// verified is a token whose signature was good: who it speaks for, and until when.
type verified struct {
	token string
	who   shop.Caller
	until time.Time
}

// memory remembers tokens whose signatures were good: the same client sends the same one. Each token has one place, which the
// next one that falls there takes over; so it is bounded, and neither reading nor writing waits for anybody.
type memory struct {
	seed   maphash.Seed
	places [1 << 15]atomic.Pointer[verified] // at most some 20 MB of tokens
}

func newMemory() *memory { return &memory{seed: maphash.MakeSeed()} }

func (m *memory) place(token string) *atomic.Pointer[verified] {
	return &m.places[maphash.String(m.seed, token)%uint64(len(m.places))]
}

// get is nil for a token that is not remembered.
func (m *memory) get(token string) *verified {
	if v := m.place(token).Load(); v != nil && v.token == token {
		return v
	}
	return nil
}

func (m *memory) keep(v *verified) { m.place(v.token).Store(v) }
