package session

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/users/internal/account"
	"sidecart/apps/users/internal/audit"
	"sidecart/kit/auth"
	"sidecart/kit/event"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations create the tables of sessions, which reference those of accounts.
var Migrations = postgres.Migrations{Name: "session", Files: postgres.Sub(files)}

// Service implements sessions.
type Service struct {
	db         *event.Outbox
	accounts   *account.Service
	signer     *auth.Signer
	lifetimes  Lifetimes
	refreshKey []byte // computes the successor of a refresh token
	changed    *signal
}

// NewService returns a service for the users of accounts.
func NewService(db *event.Outbox, accounts *account.Service, signer *auth.Signer, lifetimes Lifetimes) *Service {
	return &Service{db, accounts, signer, lifetimes, signer.Derive("refresh tokens"), newSignal()}
}

// SignIn starts a session. It publishes users.new_device for a new device, except the first one of an account. It fails
// as account.Service.Authenticate does.
func (s *Service) SignIn(ctx context.Context, in Credentials, from audit.Origin) (TokenPair, error) {
	owner, err := s.accounts.Authenticate(ctx, in.Username, in.Password, from)
	if err != nil {
		return TokenPair{}, err
	}
	id, refresh := shop.NewID(), newRefreshToken()
	err = s.db.Tx(ctx, func(tx event.TX) error {
		if err := insert(ctx, tx, id, owner, from); err != nil {
			return err
		}
		if err := insertRefreshToken(ctx, tx, id, fingerprint(refresh), s.lifetimes.Refresh); err != nil {
			return err
		}
		isNew, err := upsertDevice(ctx, tx, owner.ID, deviceFingerprint(from))
		if err != nil {
			return err
		}
		if isNew {
			e := shop.NewDevice{UserID: owner.ID, SessionID: id, Address: from.Address, UserAgent: from.UserAgent}
			if err := event.Emit(ctx, tx, e); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.SignedIn, Actor: owner.ID, User: owner.ID, From: from})
	})
	if err != nil {
		return TokenPair{}, err
	}
	return s.tokenPair(owner, id, refresh)
}

// Refresh exchanges a refresh token for a new pair. Reuse within reuseGrace returns the pair that still works, so that
// all of a session's retries leave one. Reuse after it ends the session: one of the two clients that have the token has
// stolen it. It fails with ErrInvalidRefreshToken.
func (s *Service) Refresh(ctx context.Context, token string, from audit.Origin) (TokenPair, error) {
	next := successor(s.refreshKey, token)
	var current refreshToken
	reused := false
	err := s.db.Tx(ctx, func(tx event.TX) (err error) {
		if current, err = lockRefreshToken(ctx, tx, fingerprint(token)); err != nil {
			return err
		}
		switch {
		case current.UsedAgo == nil:
			if err := markUsed(ctx, tx, fingerprint(token)); err != nil {
				return err
			}
			return insertRefreshToken(ctx, tx, current.SessionID, fingerprint(next), s.lifetimes.Refresh)
		case *current.UsedAgo > reuseGrace:
			reused = true // returning ErrInvalidRefreshToken here would roll the end of the session back
			_, err := endOne(ctx, tx, current.AccountID, current.SessionID, "refresh token reused",
				audit.Entry{Action: audit.TokenReused, From: from})
			return err
		}
		next, err = s.unusedSuccessor(ctx, tx, current.SessionID, next)
		return err
	})
	if err != nil {
		return TokenPair{}, err
	}
	if reused {
		return TokenPair{}, ErrInvalidRefreshToken
	}
	owner, err := s.accounts.Get(ctx, current.AccountID)
	if err != nil {
		return TokenPair{}, err
	}
	if !owner.Active {
		return TokenPair{}, ErrInvalidRefreshToken
	}
	return s.tokenPair(owner, current.SessionID, next)
}

// unusedSuccessor returns the unused token of a session: a token or one of its successors. It fails with
// ErrInvalidRefreshToken if it is none of them, as after a change of the secret. The caller holds the session's lock.
func (s *Service) unusedSuccessor(ctx context.Context, tx event.TX, session uuid.UUID, token string) (string, error) {
	unused, err := unusedToken(ctx, tx, session)
	for range maxGraceRefreshes {
		if err != nil || bytes.Equal(fingerprint(token), unused) {
			return token, err
		}
		token = successor(s.refreshKey, token)
	}
	return "", ErrInvalidRefreshToken
}

func (s *Service) tokenPair(owner account.Account, session uuid.UUID, refresh string) (TokenPair, error) {
	lifetime := s.lifetimes.Access
	access, err := s.signer.Sign(shop.Caller{ID: owner.ID, SessionID: session, Role: owner.Role}, lifetime)
	return TokenPair{
		AccessToken: access, RefreshToken: refresh, TokenType: "bearer", ExpiresIn: int(lifetime.Seconds()),
	}, err
}

// List returns the caller's active sessions, newest first.
func (s *Service) List(ctx context.Context, caller shop.Caller, q web.PageQuery) (web.Page[Session], error) {
	page, err := web.PageOf(q, uuid.Max, func(before uuid.UUID, limit int) ([]Session, error) {
		return list(ctx, s.db, caller.ID, before, limit)
	}, func(s Session) uuid.UUID { return s.ID })
	for i := range page.Items {
		page.Items[i].Current = page.Items[i].ID == caller.SessionID
	}
	return page, err
}

// SignOut ends one session of the caller. It fails with ErrNotFound unless that is an active session of theirs.
func (s *Service) SignOut(ctx context.Context, caller shop.Caller, session uuid.UUID, from audit.Origin) error {
	action := audit.SessionEnded
	if session == caller.SessionID {
		action = audit.SignedOut
	}
	return s.endAndPropagate(ctx, func(tx event.TX) error {
		ended, err := endOne(ctx, tx, caller.ID, session, "signed out",
			audit.Entry{Action: action, Actor: caller.ID, From: from})
		if err == nil && !ended {
			return ErrNotFound
		}
		return err
	})
}

// SignOutHere ends the caller's session. It succeeds if the session has ended meanwhile.
func (s *Service) SignOutHere(ctx context.Context, caller shop.Caller, from audit.Origin) error {
	if err := s.SignOut(ctx, caller, caller.SessionID, from); !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// SignOutAll ends all sessions of the caller, or all but the current one.
func (s *Service) SignOutAll(ctx context.Context, caller shop.Caller, keepCurrent bool, from audit.Origin) error {
	except, which := uuid.Nil, "all"
	if keepCurrent {
		except, which = caller.SessionID, "all others"
	}
	return s.endAndPropagate(ctx, func(tx event.TX) error {
		if err := End(ctx, tx, caller.ID, except, "signed out"); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Action: audit.SessionEnded, Actor: caller.ID, User: caller.ID, From: from,
			Details: map[string]string{"sessions": which},
		})
	})
}

// propagationDelay is how long one step of the revocation feed may take.
const propagationDelay = 50 * time.Millisecond

// endAndPropagate commits the end of sessions and waits until the revocation feed has probably reached every service:
// after a sign-out no service should accept the access token.
func (s *Service) endAndPropagate(ctx context.Context, end func(event.TX) error) error {
	changed := s.changed.wait()
	if err := s.db.Tx(ctx, end); err != nil {
		return err
	}
	wait(ctx, changed) // for the notification from the database
	wait(ctx, nil)     // for the responses to the other services
	return nil
}

func wait(ctx context.Context, done <-chan struct{}) {
	select {
	case <-done:
	case <-time.After(propagationDelay):
	case <-ctx.Done():
	}
}

// Prune deletes expired refresh tokens, sessions without tokens, and devices not seen for a year. Used tokens stay
// until they expire, to detect their reuse.
func (s *Service) Prune(ctx context.Context) error {
	return prune(ctx, s.db.Pool, s.lifetimes.revocationTTL())
}
