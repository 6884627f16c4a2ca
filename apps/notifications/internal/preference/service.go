package preference

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// Service manages preferences.
type Service struct {
	db       *pgxpool.Pool
	tokens   UnsubscribeTokens
	onUpdate OnUpdate
}

// OnUpdate is called with updated preferences, in the transaction of the update.
type OnUpdate func(ctx context.Context, tx pgx.Tx, p Preferences) error

// NewService needs a database with Migrations.
func NewService(db *pgxpool.Pool, tokens UnsubscribeTokens, onUpdate OnUpdate) *Service {
	return &Service{db, tokens, onUpdate}
}

// Get returns the preferences of a user.
func (s *Service) Get(ctx context.Context, user shop.UserID) (Preferences, error) {
	return Get(ctx, s.db, user)
}

// Update fails with fault.ErrInvalid naming all invalid fields.
func (s *Service) Update(ctx context.Context, user shop.UserID, u PreferencesUpdate) (Preferences, error) {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) (p Preferences, err error) {
		if err := lock(ctx, tx, user); err != nil {
			return p, err
		}
		if p, err = Get(ctx, tx, user); err != nil {
			return p, err
		}
		if p, err = p.apply(u); err != nil {
			return p, err
		}
		if err := save(ctx, tx, p); err != nil {
			return p, err
		}
		for name, channels := range u.Kinds {
			for channel, on := range channels {
				if err := saveKind(ctx, tx, user, name, channel, on); err != nil {
					return p, err
				}
			}
		}
		return p, s.onUpdate(ctx, tx, p)
	})
}

// Unsubscribe turns off e-mails of a token's kind for its user; the token of a digest turns off all news. It is
// idempotent. It fails with ErrInvalidLink.
func (s *Service) Unsubscribe(ctx context.Context, token string) (kind.Kind, error) {
	user, k, err := s.tokens.Verify(token)
	if err != nil {
		return k, err
	}
	return k, pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := lock(ctx, tx, user); err != nil {
			return err
		}
		for _, other := range kind.All {
			if other.Name != k.Name && (k.Name != kind.Digest || other.Class != kind.ClassNews) {
				continue
			}
			if err := saveKind(ctx, tx, user, other.Name, kind.Email, false); err != nil {
				return err
			}
		}
		return nil
	})
}
