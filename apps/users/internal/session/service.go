package session

import (
	"context"
	"embed"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/users/internal/account"
	"sidecart/kit/auth"
	"sidecart/kit/event"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the sessions' tables; they stand on the accounts'.
var Migrations = postgres.Migrations{Name: "session", Files: postgres.Sub(files)}

// Service does what can be done with sessions.
type Service struct {
	db       *pgxpool.Pool
	accounts *account.Service
	signer   *auth.Signer
	lives    Lifetimes
	chain    []byte // computes each refresh token's successor
}

// NewService signs people in whom accounts know.
func NewService(db *pgxpool.Pool, accounts *account.Service, signer *auth.Signer, lives Lifetimes) *Service {
	return &Service{db, accounts, signer, lives, signer.Derive("refresh tokens")}
}

// End ends a user's sessions, all but except (uuid.Nil: none), in the caller's transaction, and tells sessions.revoked if there
// were any: their refresh tokens are refused from the commit on, and their access tokens everywhere within a second.
func End(ctx context.Context, tx pgx.Tx, user shop.UserID, except uuid.UUID, reason string) error {
	ended, err := end(ctx, tx, user, except, reason)
	if err != nil || len(ended) == 0 {
		return err
	}
	return tell(ctx, tx, user, ended, reason)
}

// revoke is End for one session. It changes nothing where that has ended before.
func revoke(ctx context.Context, tx pgx.Tx, user shop.UserID, session uuid.UUID, reason string) error {
	ended, err := endOne(ctx, tx, user, session, reason)
	if err != nil || !ended {
		return err
	}
	return tell(ctx, tx, user, []uuid.UUID{session}, reason)
}

func tell(ctx context.Context, tx pgx.Tx, user shop.UserID, ended []uuid.UUID, reason string) error {
	return event.Emit(ctx, tx, shop.SessionsRevoked{UserID: user, SessionIDs: ended, Reason: reason, At: time.Now().UTC()})
}

// SignIn begins a session. It fails with account.ErrCredentials or account.ErrBusy.
func (s *Service) SignIn(ctx context.Context, in Login, from Device) (Pair, error) {
	who, err := s.accounts.Authenticate(ctx, in.Username, in.Password)
	if err != nil {
		return Pair{}, err
	}
	id, refresh := shop.NewID(), newRefreshToken()
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := begin(ctx, tx, id, who.ID, from); err != nil {
			return err
		}
		return keep(ctx, tx, id, fingerprint(refresh), s.lives.Refresh)
	})
	if err != nil {
		return Pair{}, err
	}
	return s.pair(who, id, refresh)
}

// Refresh exchanges a refresh token for a new pair; the old token is dead from then on. Using a dead one again, later
// than a double submit, ends the whole session. It fails with ErrRefresh.
func (s *Service) Refresh(ctx context.Context, token string) (Pair, error) {
	next := successor(s.chain, token)
	var from refreshable
	refused := false
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) (err error) {
		if from, err = lock(ctx, tx, fingerprint(token)); err != nil {
			return err
		}
		switch {
		case from.UsedAt == nil:
			if err := use(ctx, tx, fingerprint(token)); err != nil {
				return err
			}
			return keep(ctx, tx, from.SessionID, fingerprint(next), s.lives.Refresh)
		case time.Since(*from.UsedAt) > doubleSubmit:
			refused = true // and the end of the session is committed
			return revoke(ctx, tx, from.AccountID, from.SessionID, "a used refresh token came again")
		}
		return nil
	})
	if err != nil {
		return Pair{}, err
	}
	if refused {
		return Pair{}, ErrRefresh
	}
	who, err := s.accounts.Get(ctx, from.AccountID)
	if err != nil {
		return Pair{}, err
	}
	if !who.Active {
		return Pair{}, ErrRefresh
	}
	return s.pair(who, from.SessionID, next)
}

func (s *Service) pair(who account.Account, session uuid.UUID, refresh string) (Pair, error) {
	access, err := s.signer.Sign(shop.Caller{ID: who.ID, SessionID: session, Role: who.Role}, s.lives.Access)
	return Pair{AccessToken: access, RefreshToken: refresh, TokenType: "bearer", ExpiresIn: int(s.lives.Access.Seconds())}, err
}
