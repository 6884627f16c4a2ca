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
	db      *pgxpool.Pool
	links   Links
	changed Changed
}

// Changed is told what somebody wants from now on, in the transaction that keeps it.
type Changed func(ctx context.Context, tx pgx.Tx, wants Preferences) error

// NewService keeps preferences in a database that has Migrations, and reads the links that links made.
func NewService(db *pgxpool.Pool, links Links, changed Changed) *Service {
	return &Service{db: db, links: links, changed: changed}
}

// Get are somebody's preferences.
func (s *Service) Get(ctx context.Context, user shop.UserID) (Preferences, error) {
	return Of(ctx, s.db, user)
}

// Change keeps what somebody wants from now on. It fails with fault.ErrInvalid naming all that cannot be.
func (s *Service) Change(ctx context.Context, user shop.UserID, c PreferencesUpdate) (p Preferences, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err = lock(ctx, tx, usual(user)); err != nil {
			return err
		}
		if p, err = Of(ctx, tx, user); err != nil {
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
				if err := want(ctx, tx, user, name, channel, c.Kinds[name][channel]); err != nil {
					return err
				}
			}
		}
		return s.changed(ctx, tx, p)
	})
	return p, err
}

// Unsubscribe ends e-mails of the kind that a link is about, for whom it was sent to; again is harmless. A digest's link
// ends all news. It fails with ErrLink.
func (s *Service) Unsubscribe(ctx context.Context, token string) (kind.Kind, error) {
	user, k, err := s.links.Read(token)
	if err != nil {
		return k, err
	}
	return k, pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		for _, other := range kind.All {
			if other.Name != k.Name && (k.Name != kind.Digest || other.Class != kind.News) {
				continue
			}
			if err := want(ctx, tx, user, other.Name, kind.Email, false); err != nil {
				return err
			}
		}
		return nil
	})
}
