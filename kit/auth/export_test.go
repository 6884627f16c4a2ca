package auth

import (
	"context"
	"crypto/ed25519"
	"time"
)

// Stale makes v think that it heard from the users service long ago.
func Stale(v *Verifier) { v.heard.Store(0) }

// Learn has v ask once.
func Learn(v *Verifier, cursor string) error {
	_, err := v.learn(context.Background(), cursor)
	return err
}

// Untidy makes v think that it dropped long ago what need not be remembered.
func Untidy(v *Verifier) {
	k := *v.known.Load()
	k.tidied = time.Time{}
	v.known.Store(&k)
}

// Ended is how many ended sessions v remembers.
func Ended(v *Verifier) int { return len(v.known.Load().ended) }

// Private is the key that s signs with.
func Private(s *Signer) ed25519.PrivateKey { return s.current(time.Now()).private }

// Apart is v with another feed.
func Apart(v *Verifier, feed Feed) *Verifier {
	other := NewVerifier(feed)
	other.known.Store(v.known.Load())
	return other
}
