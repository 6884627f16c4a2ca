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

// Key is when a signing key is used, and how it is found again: it is derived from the secret and its salt, so that nothing
// of it is kept that is a secret itself.
type Key struct {
	ID        string // kid: the thumbprint of the public key (RFC 7638)
	Salt      []byte
	SignsFrom time.Time // until another key's time comes
}

// Signer makes tokens. Only the users service has one.
type Signer struct {
	// Issuer is the iss of its tokens. It is set before the first one.
	Issuer  string
	secrets [][]byte
	keys    atomic.Pointer[[]signingKey] // the earliest first, never empty
}

type signingKey struct {
	from    time.Time
	private ed25519.PrivateKey
	jwk     JWK
}

// NewSigner derives its keys from JWT_SECRET_KEY, and begins with one that is always the same for a secret. It fails if
// that is not at least 32 random bytes in base64.
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
		KeyType: "OKP", Curve: "Ed25519", Use: "sig", Algorithm: "EdDSA", X: x, ID: base64.RawURLEncoding.EncodeToString(sum[:]),
	}}
}

// InitialKey is the key of a signer that has been given no others.
func (s *Signer) InitialKey() Key {
	return Key{ID: newSigningKey(s.secrets[0], nil, time.Time{}).jwk.ID, Salt: []byte{}}
}

// NewKey is a fresh key, which signs nothing until it is among those that the signer uses.
func (s *Signer) NewKey() Key {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	return Key{ID: newSigningKey(s.secrets[0], salt, time.Time{}).jwk.ID, Salt: salt}
}

// ErrNoKey tells that no key is one of the secret's: the secret was replaced.
var ErrNoKey = errors.New("auth: none of the signing keys can be derived from JWT_SECRET_KEY")

// SetKeys replaces the keys: all are published, and of those whose time has come the latest signs. Keys of another secret are
// left out. It fails with ErrNoKey, and changes nothing, if none is left.
func (s *Signer) SetKeys(keys []Key) error {
	var mine []signingKey
	for _, k := range keys {
		for _, secret := range s.secrets {
			if key := newSigningKey(secret, k.Salt, k.SignsFrom); key.jwk.ID == k.ID {
				mine = append(mine, key)
				break
			}
		}
	}
	if len(mine) == 0 {
		return ErrNoKey
	}
	slices.SortFunc(mine, func(a, b signingKey) int { return a.from.Compare(b.from) })
	s.keys.Store(&mine)
	return nil
}

// current is the latest key whose time has come, or the earliest.
func (s *Signer) current(now time.Time) signingKey {
	keys := *s.keys.Load()
	for _, k := range slices.Backward(keys) {
		if !k.from.After(now) {
			return k
		}
	}
	return keys[0]
}

// Sign makes an access token for a caller that expires after ttl.
func (s *Signer) Sign(who shop.Caller, ttl time.Duration) (string, error) {
	now := time.Now()
	key := s.current(now)
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: s.Issuer, Audience: jwt.ClaimStrings{Audience}, Subject: who.ID.String(), ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
		SessionID: who.SessionID, Role: who.Role,
	})
	token.Header["kid"] = key.jwk.ID
	return token.SignedString(key.private)
}

// JWKS is what verifies the signer's tokens.
func (s *Signer) JWKS() (set JWKS) {
	for _, k := range *s.keys.Load() {
		set.Keys = append(set.Keys, k.jwk)
	}
	return set
}

// Feed answers the signer's own keys and knows of no ended session. It is for tests that have none.
func (s *Signer) Feed(context.Context, string) (Update, error) {
	return Update{Issuer: s.Issuer, JWKS: s.JWKS()}, nil
}

// Derive is a key for another purpose, 32 bytes, that cannot be told from random without the secret. It stays the same
// when signing keys are rotated.
func (s *Signer) Derive(purpose string) []byte { return derive(s.secrets[0], nil, purpose) }
