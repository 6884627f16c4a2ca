package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"sidecart/kit/shop"
)

// Key identifies a signing key and its time. The key itself is derived from the secret and the salt, so that what is
// stored is not secret.
type Key struct {
	ID        string // kid, the thumbprint of the public key (RFC 7638)
	Salt      []byte
	SignsFrom time.Time // until the next key does
}

// Signer signs tokens. Only the users service has one.
type Signer struct {
	// Issuer is the iss of its tokens. Set it before the first one is signed.
	Issuer  string
	secrets [][]byte
	keys    atomic.Pointer[[]signingKey] // the earliest first, never empty
}

type signingKey struct {
	from    time.Time
	private ed25519.PrivateKey
	jwk     JWK
}

// NewSigner returns a signer with the initial key of JWT_SECRET_KEY. It fails unless that is at least 32 random bytes
// in base64.
func NewSigner(secret string) (*Signer, error) {
	secrets, err := parseSecrets(secret)
	if err != nil {
		return nil, err
	}
	s := &Signer{Issuer: Issuer, secrets: secrets}
	s.keys.Store(&[]signingKey{newSigningKey(secrets[0], nil, time.Time{})})
	return s, nil
}

func newSigningKey(secret, salt []byte, from time.Time) signingKey {
	private := ed25519.NewKeyFromSeed(derive(secret, salt, "signing key"))
	x := base64.RawURLEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + x + `"}`))
	return signingKey{from: from, private: private, jwk: JWK{
		KeyType: "OKP", Curve: "Ed25519", Use: "sig", Algorithm: "EdDSA", X: x,
		ID: base64.RawURLEncoding.EncodeToString(sum[:]),
	}}
}

// InitialKey is the key of a new signer, always the same for a secret.
func (s *Signer) InitialKey() Key {
	return Key{ID: newSigningKey(s.secrets[0], nil, time.Time{}).jwk.ID, Salt: []byte{}}
}

// NewKey returns a random key. It signs nothing until SetKeys.
func (s *Signer) NewKey() Key {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	return Key{ID: newSigningKey(s.secrets[0], salt, time.Time{}).jwk.ID, Salt: salt}
}

// ErrNoKey means that the secret was replaced: it derives none of the keys.
var ErrNoKey = errors.New("auth: none of the signing keys can be derived from JWT_SECRET_KEY")

// SetKeys replaces the keys. All are published; the latest one whose time has come signs. Keys of another secret are
// ignored. It fails with ErrNoKey, without a change, if no key remains.
func (s *Signer) SetKeys(keys []Key) error {
	var own []signingKey
	for _, k := range keys {
		for _, secret := range s.secrets {
			if key := newSigningKey(secret, k.Salt, k.SignsFrom); key.jwk.ID == k.ID {
				own = append(own, key)
				break
			}
		}
	}
	if len(own) == 0 {
		return ErrNoKey
	}
	slices.SortFunc(own, func(a, b signingKey) int { return a.from.Compare(b.from) })
	s.keys.Store(&own)
	return nil
}

// current returns the latest key whose time has come, or else the earliest.
func (s *Signer) current(now time.Time) signingKey {
	keys := *s.keys.Load()
	for _, k := range slices.Backward(keys) {
		if !k.from.After(now) {
			return k
		}
	}
	return keys[0]
}

// Sign returns an access token for a caller that expires after ttl.
func (s *Signer) Sign(caller shop.Caller, ttl time.Duration) (string, error) {
	now := time.Now()
	key := s.current(now)
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: s.Issuer, Audience: jwt.ClaimStrings{Audience}, Subject: caller.ID.String(), ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
		SessionID: caller.SessionID, Role: caller.Role,
	})
	token.Header["kid"] = key.jwk.ID
	return token.SignedString(key.private)
}

// JWKS returns the public keys.
func (s *Signer) JWKS() (set JWKS) {
	for _, k := range *s.keys.Load() {
		set.Keys = append(set.Keys, k.jwk)
	}
	return set
}

// Feed is a feed of the signer's keys without ended sessions, for tests.
func (s *Signer) Feed(context.Context, string) (Update, error) {
	return Update{Issuer: s.Issuer, JWKS: s.JWKS()}, nil
}

// Derive returns a secret key of 32 bytes for another purpose. It stays the same when signing keys are rotated.
func (s *Signer) Derive(purpose string) []byte { return derive(s.secrets[0], nil, purpose) }
