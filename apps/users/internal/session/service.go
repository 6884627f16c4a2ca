package session

import (
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

// Migrations are the sessions' tables; they stand on the accounts'.
var Migrations = postgres.Migrations{Name: "session", Files: postgres.Sub(files)}

// Service does what can be done with sessions.
type Service struct {
	db         *event.Outbox
	accounts   *account.Service
	signer     *auth.Signer
	lifetimes  Lifetimes
	refreshKey []byte // computes each refresh token's successor
	changed    *signal
}

// NewService signs people in whom accounts know.
func NewService(db *event.Outbox, accounts *account.Service, signer *auth.Signer, lives Lifetimes) *Service {
	return &Service{db, accounts, signer, lives, signer.Derive("refresh tokens"), newSignal()}
}

// SignIn begins a session. From a device that was not seen before it tells users.new_device, except at the first sign-in of
// all. It fails as account.Service.Authenticate does.
func (s *Service) SignIn(ctx context.Context, in Credentials, from Device) (TokenPair, error) {
	origin := audit.Origin{Address: from.Address, UserAgent: from.UserAgent}
	who, err := s.accounts.Authenticate(ctx, in.Username, in.Password, origin)
	if err != nil {
		return TokenPair{}, err
	}
	id, refresh := shop.NewID(), newRefreshToken()
	err = s.db.Tx(ctx, func(tx event.TX) error {
		if err := insert(ctx, tx, id, who, from); err != nil {
			return err
		}
		if err := insertRefreshToken(ctx, tx, id, fingerprint(refresh), s.lifetimes.Refresh); err != nil {
			return err
		}
		unknown, err := upsertDevice(ctx, tx, who.ID, from.fingerprint())
		if err != nil {
			return err
		}
		if unknown {
			if err := event.Emit(ctx, tx, shop.NewDevice{UserID: who.ID, SessionID: id, Address: from.Address, UserAgent: from.UserAgent}); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.SignedIn, Actor: who.ID, User: who.ID, From: origin})
	})
	if err != nil {
		return TokenPair{}, err
	}
	return s.pair(who, id, refresh)
}

// Refresh exchanges a refresh token for a new pair; the old token is dead from then on. Using a dead one again, later
// than a double submit, ends the whole session. It fails with ErrRefresh.
func (s *Service) Refresh(ctx context.Context, token string, from audit.Origin) (TokenPair, error) {
	next := successor(s.refreshKey, token)
	var held refreshToken
	refused := false
	err := s.db.Tx(ctx, func(tx event.TX) (err error) {
		if held, err = lockRefreshToken(ctx, tx, fingerprint(token)); err != nil {
			return err
		}
		switch {
		case held.UsedAgo == nil:
			if err := markUsed(ctx, tx, fingerprint(token)); err != nil {
				return err
			}
			return insertRefreshToken(ctx, tx, held.SessionID, fingerprint(next), s.lifetimes.Refresh)
		case *held.UsedAgo > reuseGrace:
			refused = true // and the end of the session is committed
			return endReused(ctx, tx, held.AccountID, held.SessionID, from)
		}
		return nil
	})
	if err != nil {
		return TokenPair{}, err
	}
	if refused {
		return TokenPair{}, ErrInvalidRefreshToken
	}
	who, err := s.accounts.Get(ctx, held.AccountID)
	if err != nil {
		return TokenPair{}, err
	}
	if !who.Active {
		return TokenPair{}, ErrInvalidRefreshToken
	}
	return s.pair(who, held.SessionID, next)
}

func (s *Service) pair(who account.Account, session uuid.UUID, refresh string) (TokenPair, error) {
	access, err := s.signer.Sign(shop.Caller{ID: who.ID, SessionID: session, Role: who.Role}, s.lifetimes.Access)
	return TokenPair{AccessToken: access, RefreshToken: refresh, TokenType: "bearer", ExpiresIn: int(s.lifetimes.Access.Seconds())}, err
}

// List is the sessions of a user that go on, the latest first.
func (s *Service) List(ctx context.Context, who shop.Caller, q web.PageQuery) (web.Page[Session], error) {
	page, err := web.PageOf(q, uuid.Max, func(before uuid.UUID, most int) ([]Session, error) {
		return list(ctx, s.db, who.ID, before, most)
	}, func(s Session) uuid.UUID { return s.ID })
	for i := range page.Items {
		page.Items[i].Current = page.Items[i].ID == who.SessionID
	}
	return page, err
}

// SignOut ends one session of a user. It fails with ErrNotFound where that is not one of theirs that goes on.
func (s *Service) SignOut(ctx context.Context, who shop.Caller, session uuid.UUID, from audit.Origin) error {
	action := audit.SessionEnded
	if session == who.SessionID {
		action = audit.SignedOut
	}
	return s.endAndPropagate(ctx, func(tx event.TX) error {
		ended, err := endOne(ctx, tx, who.ID, session, "signed out")
		if err != nil {
			return err
		}
		if !ended {
			return ErrNotFound
		}
		if err := publishRevoked(ctx, tx, who.ID, []uuid.UUID{session}, "signed out"); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: action, Actor: who.ID, User: who.ID, From: from, Details: map[string]string{"session": session.String()}})
	})
}

// SignOutHere ends the session of whoever asks. One that has ended meanwhile is as good.
func (s *Service) SignOutHere(ctx context.Context, who shop.Caller, from audit.Origin) error {
	if err := s.SignOut(ctx, who, who.SessionID, from); !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// SignOutAll ends all sessions of a user, or all but the one they ask from.
func (s *Service) SignOutAll(ctx context.Context, who shop.Caller, keepThis bool, from audit.Origin) error {
	except, which := uuid.Nil, "all"
	if keepThis {
		except, which = who.SessionID, "all others"
	}
	return s.endAndPropagate(ctx, func(tx event.TX) error {
		if err := End(ctx, tx, who.ID, except, "signed out"); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.SessionEnded, Actor: who.ID, User: who.ID, From: from, Details: map[string]string{"sessions": which}})
	})
}

// endAndPropagate commits the end of sessions and gives the news of it a moment to reach everybody, so that who was told "signed
// out" does not find an access token still accepted somewhere.
func (s *Service) endAndPropagate(ctx context.Context, end func(event.TX) error) error {
	heard := s.changed.wait()
	if err := s.db.Tx(ctx, end); err != nil {
		return err
	}
	wait(ctx, heard) // it is back from the database
	wait(ctx, nil)   // and has gone out through the sidecars
	return nil
}

func wait(ctx context.Context, until <-chan struct{}) {
	select {
	case <-until:
	case <-time.After(propagationDelay):
	case <-ctx.Done():
	}
}

// propagationDelay is how long news may take for one step.
const propagationDelay = 50 * time.Millisecond

// Prune deletes refresh tokens that have expired, sessions that have none left, and devices not seen for a year. Until
// then even used tokens are kept: that is how a stolen one is found out.
func (s *Service) Prune(ctx context.Context) error {
	return prune(ctx, s.db.Pool, s.lifetimes.revocationTTL())
}
