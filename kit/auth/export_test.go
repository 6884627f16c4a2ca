package auth

import (
	"context"
	"crypto/ed25519"
	"time"
)

// MakeStale makes v think that it heard from the users service long ago.
func MakeStale(v *Verifier) { v.updatedAt.Store(0) }

// UpdateNow has v ask once.
func UpdateNow(v *Verifier, cursor string) error {
	_, err := v.update(context.Background(), cursor)
	return err
}

// ForcePurge makes v think that it dropped long ago what need not be remembered.
func ForcePurge(v *Verifier) {
	k := *v.state.Load()
	k.purgedAt = time.Time{}
	v.state.Store(&k)
}

// EndedSessions is how many ended sessions v remembers.
func EndedSessions(v *Verifier) int { return len(v.state.Load().ended) }

// SigningKey is the key that s signs with.
func SigningKey(s *Signer) ed25519.PrivateKey { return s.current(time.Now()).private }

// Copy is v with another feed.
func Copy(v *Verifier, feed Feed) *Verifier {
	other := NewVerifier(feed)
	other.state.Store(v.state.Load())
	return other
}
