// Package auth makes and checks access tokens: Ed25519-signed JWTs that every service can verify by itself, with public keys
// and a list of ended sessions that it follows in the background, so that a check asks nobody anything.
package auth

import (
	"crypto/ed25519"
	"encoding/base64"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Issuer is in every token unless its signer is told another, and Audience in every token: those of the platform and no others.
const (
	Issuer   = "sidecart"
	Audience = "sidecart"
)

// What can be wrong with a token. They tell a client apart what it can do about it, and no more.
var (
	ErrInvalidToken = fault.New(fault.Unauthenticated, "token_invalid", "this token is not valid here")
	ErrExpired      = fault.New(fault.Unauthenticated, "token_expired", "this token has expired; refresh it or sign in again")
	ErrSessionEnded = fault.New(fault.Unauthenticated, "session_ended", "this session has ended; sign in again")
	errNoKeys       = fault.New(fault.Unavailable, "keys_unavailable", "tokens cannot be checked at the moment").WithRetryAfter(2)
)

type claims struct {
	jwt.RegisteredClaims
	SessionID uuid.UUID `json:"sid"`
	Role      shop.Role `json:"role"`
}

// JWK is a public key in the form of RFC 8037 (OKP, Ed25519).
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

// Update is what a verifier goes by: whose tokens are good, and of which sessions they no longer are.
type Update struct {
	Issuer string `json:"issuer"`
	JWKS
	// Ended are the sessions that ended since the cursor that was asked with; without one, all whose access tokens may
	// still look alive. Some may be told twice.
	Ended []uuid.UUID `json:"ended"`
	// Remember is how many seconds an ended session has to be remembered: no access token of it is alive after that.
	TTLSeconds int `json:"ttl_seconds"`
	// Cursor asks for what comes next. It means nothing to anybody but the users service.
	Cursor string `json:"cursor"`
}

// publicKeys are the keys of a set that we can verify with, by their ids.
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
