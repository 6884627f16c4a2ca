package preference

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/shop"
)

// Service keeps preferences.
type Service struct {
	db       *pgxpool.Pool
	tokens   UnsubscribeTokens
	onUpdate OnUpdate
}

// OnUpdate is told what somebody wants from now on, in the transaction that keeps it.
type OnUpdate func(ctx context.Context, tx pgx.Tx, wants Preferences) error

// NewService keeps preferences in a database that has Migrations, and reads the links that links made.
func NewService(db *pgxpool.Pool, links UnsubscribeTokens, changed OnUpdate) *Service {
	return &Service{db: db, tokens: links, onUpdate: changed}
}

// Get are somebody's preferences.
func (s *Service) Get(ctx context.Context, user shop.UserID) (Preferences, error) {
	return Get(ctx, s.db, user)
}

// Update keeps what somebody wants from now on. It fails with fault.ErrInvalid naming all that cannot be.
func (s *Service) Update(ctx context.Context, user shop.UserID, c PreferencesUpdate) (p Preferences, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err = lock(ctx, tx, defaults(user)); err != nil {
			return err
		}
		if p, err = Get(ctx, tx, user); err != nil {
			return err
		}
		if p, err = p.apply(c); err != nil {
			return err
		}
		if err := save(ctx, tx, p); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(c.Kinds)) {
			for _, channel := range slices.Sorted(maps.Keys(c.Kinds[name])) {
				if err := saveKind(ctx, tx, user, name, channel, c.Kinds[name][channel]); err != nil {
					return err
				}
			}
		}
		return s.onUpdate(ctx, tx, p)
	})
	return p, err
}

// Unsubscribe ends e-mails of the kind that a link is about, for whom it was sent to; again is harmless. A digest's link
// ends all news. It fails with ErrLink.
func (s *Service) Unsubscribe(ctx context.Context, token string) (kind.Kind, error) {
	user, k, err := s.tokens.Verify(token)
	if err != nil {
		return k, err
	}
	return k, pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		for _, other := range kind.All {
			if other.Name != k.Name && (k.Name != kind.Digest || other.Class != kind.News) {
				continue
			}
			if err := saveKind(ctx, tx, user, other.Name, kind.Email, false); err != nil {
				return err
			}
		}
		return nil
	})
}
