package session

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/auth"
)

// keyLeadTime is how long a new key is published before it signs: everybody hears of it within a second.
const keyLeadTime = 15 * time.Second

// KeyRotation is a key that will sign from a moment on.
type KeyRotation struct {
	KeyID     string    `json:"kid"`
	SignsFrom time.Time `json:"signs_from"`
}

// LoadKeys takes the signing keys from the database; the first replica of all makes the first. A key that was followed by
// another stays published until its last token has expired.
func (s *Service) LoadKeys(ctx context.Context) error {
	keys, err := signingKeys(ctx, s.db, s.lifetimes.revocationTTL())
	if err != nil {
		return err
	}
	if err := s.signer.SetKeys(keys); !errors.Is(err, auth.ErrNoKey) {
		return err
	}
	var first []auth.Key
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := insertKey(ctx, tx, s.signer.InitialKey(), 0); err != nil {
			return err
		}
		first, err = signingKeys(ctx, tx, s.lifetimes.revocationTTL())
		return err
	})
	if err != nil {
		return err
	}
	return s.signer.SetKeys(first)
}

// Rotate makes a new signing key that is published now and signs in a little while. Asked again before that time, it answers
// the same key.
func (s *Service) Rotate(ctx context.Context) (r KeyRotation, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		next, err := pendingKey(ctx, tx)
		if err != nil || next.ID != "" {
			r = KeyRotation{KeyID: next.ID, SignsFrom: next.SignsFrom.UTC()}
			return err
		}
		key := s.signer.NewKey()
		if err := insertKey(ctx, tx, key, keyLeadTime); err != nil {
			return err
		}
		if err := deleteExpiredKeys(ctx, tx, s.lifetimes.revocationTTL()); err != nil {
			return err
		}
		if next, err = pendingKey(ctx, tx); err != nil {
			return err
		}
		r = KeyRotation{KeyID: next.ID, SignsFrom: next.SignsFrom.UTC()}
		return notifyChanged(ctx, tx)
	})
	return r, err
}

// OpenIDConfiguration says where the keys are and what the tokens say, in the words of OpenID Connect Discovery. It has no more of that
// protocol: people sign in here with a password, not through another's page.
type OpenIDConfiguration struct {
	Issuer     string   `json:"issuer"`
	JWKS       string   `json:"jwks_uri"`
	Algorithms []string `json:"id_token_signing_alg_values_supported"`
	Subjects   []string `json:"subject_types_supported"`
	Responses  []string `json:"response_types_supported"`
	Claims     []string `json:"claims_supported"`
}

// OpenIDConfiguration is how to verify the tokens that are made here.
func (s *Service) OpenIDConfiguration() OpenIDConfiguration {
	return OpenIDConfiguration{
		Issuer: s.signer.Issuer, JWKS: strings.TrimSuffix(s.signer.Issuer, "/") + "/.well-known/jwks.json",
		Algorithms: []string{"EdDSA"}, Subjects: []string{"public"}, Responses: []string{"token"},
		Claims: []string{"iss", "aud", "sub", "sid", "jti", "role", "iat", "nbf", "exp"},
	}
}
