// Package auth signs and verifies access tokens: JWTs with Ed25519 signatures. Every service verifies them without a
// request, with the public keys and the ended sessions that it receives from the users service in the background.
package auth

import (
	"crypto/ed25519"
	"encoding/base64"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Issuer is the default iss of tokens, and Audience the aud of all of them.
const (
	Issuer   = "sidecart"
	Audience = "sidecart"
)

// The errors of Verify. Their messages name what a client can do, and reveal nothing else about the token.
var (
	ErrInvalidToken = fault.New(fault.Unauthenticated, "token_invalid", "this token is not valid here")
	ErrExpired      = fault.New(fault.Unauthenticated, "token_expired", "this token has expired: refresh it or sign in")
	ErrSessionEnded = fault.New(fault.Unauthenticated, "session_ended", "this session has ended; sign in again")
	errNoKeys       = fault.New(fault.Unavailable, "keys_unavailable", "tokens cannot be verified now").WithRetryAfter(2)
)

type claims struct {
	jwt.RegisteredClaims
	SessionID uuid.UUID `json:"sid"`
	Role      shop.Role `json:"role"`
}

// JWK is an Ed25519 public key as of RFC 8037.
type JWK struct {
	KeyType   string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
}

// JWKS is a set of public keys (RFC 7517).
type JWKS struct {
	Keys []JWK `json:"keys"`
}

// Update is a response of the revocation feed: the public keys, and the sessions whose tokens must be refused.
type Update struct {
	Issuer string `json:"issuer"`
	JWKS
	// EndedSessions are those that ended since the request's cursor; without one, all whose access tokens may not have
	// expired. A session may be repeated.
	EndedSessions []uuid.UUID `json:"ended_sessions"`
	// TTLSeconds is how long an ended session must be stored: its access tokens have expired by then.
	TTLSeconds int `json:"ttl_seconds"`
	// Cursor is for the next request. Only the users service interprets it.
	Cursor string `json:"cursor"`
}

// publicKeys returns the Ed25519 keys of a set by their ids.
func (set JWKS) publicKeys() map[string]ed25519.PublicKey {
	keys := make(map[string]ed25519.PublicKey, len(set.Keys))
	for _, k := range set.Keys {
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err == nil && len(x) == ed25519.PublicKeySize && k.KeyType == "OKP" && k.Curve == "Ed25519" && k.ID != "" {
			keys[k.ID] = x
		}
	}
	return keys
}
