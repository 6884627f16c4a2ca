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

// leeway forgives clocks that are a little apart.
const leeway = 5 * time.Second

// Verifier checks tokens by what it has learned from the users service, without asking anybody. Follow keeps it up to date.
type Verifier struct {
	feed      Feed
	follows   bool
	state     atomic.Pointer[snapshot] // nil until the first answer
	updatedAt atomic.Int64             // when the last answer came, Unix nanoseconds
	loading   singleflight.Group       // for those who come before it
}

// snapshot is what a verifier goes by. It is never changed, only replaced, so that a check takes no lock.
type snapshot struct {
	issuer   string
	jwks     JWKS
	keys     map[string]ed25519.PublicKey
	ended    map[uuid.UUID]time.Time // until when each has to be remembered
	purgedAt time.Time               // when what had to be remembered no longer was dropped from ended
	cache    *tokenCache             // tokens that were good by these keys
}

// Verify finds out who a token speaks for. It fails with ErrToken, ErrExpired or ErrEnded, and as unavailable where it cannot
// know: before anything was learned, and for a key it has not heard of while it does not hear from the users service.
func (v *Verifier) Verify(ctx context.Context, token string) (shop.Caller, error) {
	k := v.state.Load()
	if k == nil {
		if k = v.load(ctx); k == nil {
			return shop.Caller{}, errNoKeys
		}
	}
	good := k.cache.get(token)
	if good == nil || !time.Now().Before(good.expiresAt) {
		var err error
		if good, err = v.parse(k, token); err != nil {
			return shop.Caller{}, err
		}
		k.cache.put(good)
	}
	if _, over := k.ended[good.caller.SessionID]; over {
		return shop.Caller{}, ErrSessionEnded
	}
	return good.caller, nil
}

// parse checks all that a token says itself.
func (v *Verifier) parse(k *snapshot, token string) (*verified, error) {
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		key, ok := k.keys[kid]
		switch {
		case ok:
			return key, nil
		case v.Healthy(context.Background()) != nil:
			return nil, errNoKeys // it may be a new one
		}
		return nil, ErrInvalidToken
	}, jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithIssuer(k.issuer), jwt.WithAudience(Audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway), jwt.WithStrictDecoding())
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
		return nil, ErrInvalidToken // nor would a token of no session ever end with one
	}
	return &verified{token, shop.Caller{ID: id, SessionID: c.SessionID, Role: c.Role}, c.ExpiresAt.Time}, nil
}
