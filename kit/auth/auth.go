// Package auth makes and checks access tokens: Ed25519-signed JWTs that every service can verify with public keys.
package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Issuer and Audience are in every token of the platform and in no other's.
const (
	Issuer   = "sidecart"
	Audience = "sidecart"
)

// What can be wrong with a token. They tell a client apart what it can do about it, and no more.
var (
	ErrToken   = fault.New(fault.Unauthenticated, "token_invalid", "this token is not valid here")
	ErrExpired = fault.New(fault.Unauthenticated, "token_expired", "this token has expired; refresh it or sign in again")
	errKeys    = fault.New(fault.Unavailable, "keys_unavailable", "tokens cannot be checked at the moment").After(2)
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

// Signer makes tokens. Only the users service has one.
type Signer struct {
	key ed25519.PrivateKey
	jwk JWK
}

// NewSigner reads a base64 seed of 32 bytes. It fails if it is anything else.
func NewSigner(secret string) (*Signer, error) {
	seed, err := base64.StdEncoding.DecodeString(secret)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("JWT_SECRET_KEY must be %d random bytes in base64, for example from: openssl rand -base64 %d", ed25519.SeedSize, ed25519.SeedSize)
	}
	key := ed25519.NewKeyFromSeed(seed)
	public := key.Public().(ed25519.PublicKey)
	sum := sha256.Sum256(public)
	return &Signer{key: key, jwk: JWK{
		KeyType: "OKP", Curve: "Ed25519", Use: "sig", Algorithm: "EdDSA",
		X: base64.RawURLEncoding.EncodeToString(public), ID: base64.RawURLEncoding.EncodeToString(sum[:9]),
	}}, nil
}

// Sign makes an access token for a caller that expires after ttl.
func (s *Signer) Sign(who shop.Caller, ttl time.Duration) (string, error) {
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: Issuer, Audience: jwt.ClaimStrings{Audience}, Subject: who.ID.String(), ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
		SessionID: who.SessionID, Role: who.Role,
	})
	token.Header["kid"] = s.jwk.ID
	return token.SignedString(s.key)
}

// JWKS is what verifies the signer's tokens.
func (s *Signer) JWKS() JWKS { return JWKS{Keys: []JWK{s.jwk}} }

// Fetch answers the signer's own keys, for the service that has the signer.
func (s *Signer) Fetch(context.Context) (JWKS, error) { return s.JWKS(), nil }

// Derive is a key for another purpose, 32 bytes, that cannot be told from random without the secret (HKDF, RFC 5869).
func (s *Signer) Derive(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, s.key.Seed(), nil, "sidecart "+purpose, 32)
	if err != nil {
		panic(err) // only for a length that cannot be
	}
	return key
}

// Verify finds out who a token speaks for. It fails with ErrToken or ErrExpired, and as unavailable where the keys
// cannot be had.
func (v *Verifier) Verify(ctx context.Context, token string) (shop.Caller, error) {
	if known, ok := v.seen.Get(token); ok && time.Now().Before(known.until) {
		return known.who, nil
	}
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		return v.key(ctx, kid)
	}, jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithIssuer(Issuer), jwt.WithAudience(Audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(5*time.Second))
	switch {
	case errors.Is(err, errKeys):
		return shop.Caller{}, err
	case errors.Is(err, jwt.ErrTokenExpired):
		return shop.Caller{}, ErrExpired
	case err != nil:
		return shop.Caller{}, ErrToken.Because(err)
	}
	id, err := shop.ParseUserID(c.Subject)
	if err != nil || id.UUID == uuid.Nil {
		return shop.Caller{}, ErrToken
	}
	who := shop.Caller{ID: id, SessionID: c.SessionID, Role: c.Role}
	v.seen.Add(token, verified{who, c.ExpiresAt.Time})
	return who, nil
}
