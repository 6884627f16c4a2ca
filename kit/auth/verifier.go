package auth

import (
	"context"
	"crypto/ed25519"
	"errors"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"sidecart/kit/shop"
)

// leeway allows for clocks that differ.
const leeway = 5 * time.Second

// Verifier verifies tokens with the keys and ended sessions of its feed. A verification makes no request.
type Verifier struct {
	feed      Feed
	follows   bool
	state     atomic.Pointer[snapshot] // nil until the first update
	updatedAt atomic.Int64             // the time of the last update, Unix nanoseconds
	loading   singleflight.Group       // the first update, when a token comes before it
}

// snapshot is never changed, only replaced, so that a verification takes no lock.
type snapshot struct {
	issuer        string
	jwks          JWKS
	keys          map[string]ed25519.PublicKey
	endedSessions map[uuid.UUID]time.Time // with the time until which each is stored
	purgedAt      time.Time               // when expired entries were last removed
	cache         *tokenCache             // tokens that these keys verified
}

// Verify returns the caller of a token. It fails with ErrInvalidToken, ErrExpired or ErrSessionEnded, and as
// unavailable before the first update, and for an unknown key while updates fail.
func (v *Verifier) Verify(ctx context.Context, token string) (shop.Caller, error) {
	state := v.state.Load()
	if state == nil {
		if state = v.load(ctx); state == nil {
			return shop.Caller{}, errNoKeys
		}
	}
	parsed := state.cache.get(token)
	if parsed == nil || !time.Now().Before(parsed.expiresAt) {
		var err error
		if parsed, err = v.parse(state, token); err != nil {
			return shop.Caller{}, err
		}
		state.cache.put(parsed)
	}
	if _, ended := state.endedSessions[parsed.caller.SessionID]; ended {
		return shop.Caller{}, ErrSessionEnded
	}
	return parsed.caller, nil
}

// parse checks the signature and all claims.
func (v *Verifier) parse(state *snapshot, token string) (*verified, error) {
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		key, ok := state.keys[kid]
		switch {
		case ok:
			return key, nil
		case v.stale():
			return nil, errNoKeys // it may be a new one
		}
		return nil, ErrInvalidToken
	}, jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithIssuer(state.issuer),
		jwt.WithAudience(Audience), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway),
		jwt.WithStrictDecoding())
	switch {
	case errors.Is(err, errNoKeys):
		return nil, err
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, ErrExpired
	case err != nil:
		return nil, ErrInvalidToken.Wrap(err)
	}
	id, err := shop.ParseUserID(c.Subject)
	if err != nil || id.UUID == uuid.Nil || c.SessionID == uuid.Nil {
		return nil, ErrInvalidToken // without a session it could not be revoked
	}
	return &verified{token, shop.Caller{ID: id, SessionID: c.SessionID, Role: c.Role}, c.ExpiresAt.Time}, nil
}
