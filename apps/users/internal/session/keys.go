package session

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/auth"
	"sidecart/kit/postgres"
)

// keyLeadTime is how long a new key is published before it signs. Every replica receives it within a second.
const keyLeadTime = 15 * time.Second

// KeyRotation is a new key and the time from which it signs.
type KeyRotation struct {
	KeyID     string    `json:"kid"`
	SignsFrom time.Time `json:"signs_from"`
}

// LoadKeys reads the signing keys. The first replica inserts the initial key. A key that has a successor stays
// published until its last token has expired.
func (s *Service) LoadKeys(ctx context.Context) error {
	err := s.readKeys(ctx)
	if !errors.Is(err, auth.ErrNoKey) {
		return err
	}
	_, err = postgres.InTx(ctx, s.db.Pool, func(tx pgx.Tx) (auth.Key, error) {
		return insertKey(ctx, tx, s.signer.InitialKey(), 0)
	})
	if err != nil {
		return err
	}
	return s.readKeys(ctx)
}

func (s *Service) readKeys(ctx context.Context) error {
	keys, err := signingKeys(ctx, s.db, s.lifetimes.revocationTTL())
	if err != nil {
		return err
	}
	return s.signer.SetKeys(keys)
}

// Rotate publishes a new signing key, which signs after keyLeadTime. While a key waits for its time, Rotate returns
// that one.
func (s *Service) Rotate(ctx context.Context) (KeyRotation, error) {
	return postgres.InTx(ctx, s.db.Pool, func(tx pgx.Tx) (KeyRotation, error) {
		key, err := pendingKey(ctx, tx)
		if err == nil && key.ID == "" {
			key, err = insertKey(ctx, tx, s.signer.NewKey(), keyLeadTime)
			err = errors.Join(err, deleteExpiredKeys(ctx, tx, s.lifetimes.revocationTTL()), notifyChanged(ctx, tx))
		}
		return KeyRotation{KeyID: key.ID, SignsFrom: key.SignsFrom.UTC()}, err
	})
}

// OpenIDConfiguration is the address of the keys and the content of the tokens, in the format of OpenID Connect
// Discovery. Nothing else of that protocol is supported: users sign in with a password, not through an identity
// provider.
type OpenIDConfiguration struct {
	Issuer     string   `json:"issuer"`
	JWKS       string   `json:"jwks_uri"`
	Algorithms []string `json:"id_token_signing_alg_values_supported"`
	Subjects   []string `json:"subject_types_supported"`
	Responses  []string `json:"response_types_supported"`
	Claims     []string `json:"claims_supported"`
}
