package auth

import (
	"context"
	"crypto/ed25519"
	"time"
)

// MakeStale sets the last update of v to long ago.
func MakeStale(v *Verifier) { v.updatedAt.Store(0) }

// UpdateNow has v read its feed once.
func UpdateNow(v *Verifier, cursor string) error {
	_, err := v.update(context.Background(), cursor)
	return err
}

// ForcePurge makes the next update of v remove expired entries.
func ForcePurge(v *Verifier) {
	k := *v.state.Load()
	k.purgedAt = time.Time{}
	v.state.Store(&k)
}

// EndedSessions counts the ended sessions that v stores.
func EndedSessions(v *Verifier) int { return len(v.state.Load().endedSessions) }

// SigningKey is the current key of s.
func SigningKey(s *Signer) ed25519.PrivateKey { return s.current(time.Now()).private }

// Copy returns a copy of v with another feed.
func Copy(v *Verifier, feed Feed) *Verifier {
	other := NewVerifier(feed)
	other.state.Store(v.state.Load())
	return other
}
