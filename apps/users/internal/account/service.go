package account

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/lockout"
	"sidecart/apps/users/internal/mailtoken"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the accounts' tables.
var Migrations = postgres.Migrations{Name: "account", Files: postgres.Sub(files)}

// Sessions is what accounts ask of being signed in: End ends the sessions of a user but one (uuid.Nil: none), Erase ends
// them all and removes what they tell of a person, and Export is all that is held of them, as JSON.
type Sessions struct {
	End    func(ctx context.Context, tx event.TX, user shop.UserID, except uuid.UUID, reason string) error
	Erase  func(ctx context.Context, tx event.TX, user shop.UserID, reason string) error
	Export func(ctx context.Context, db postgres.Reader, user shop.UserID) (json.RawMessage, error)
}

// Dependencies are what accounts work with. Elsewhere asks other services what they hold of somebody, by their names.
type Dependencies struct {
	Passwords            *Passwords
	Lockouts             *lockout.Service
	MailTokens           *mailtoken.Service
	Sessions             Sessions
	Exports              map[string]Export
	FirstIsAdmin         bool // the first account of an empty platform becomes admin
	RequireVerifiedEmail bool // nobody signs in before their address is proven
}

// Service does what can be done with accounts.
type Service struct {
	db *event.Outbox
	Dependencies
	mailRequested chan struct{} // a mail was asked for here
}

// NewService works on an open database.
func NewService(db *event.Outbox, parts Dependencies) *Service {
	return &Service{db, parts, make(chan struct{}, 1)}
}

// Register opens an account and tells users.registered, and that its address is to be verified. It fails with
// ErrUsername, ErrEmail, ErrBusy, or ErrInvalid for a username that imitates or a password that the policy refuses.
func (s *Service) Register(ctx context.Context, in Registration, from audit.Origin) (Account, error) {
	if err := invalid("username", usernameProblem(in.Username), "password", passwordProblem(in.Password, in.Username, in.Email, in.FullName)); err != nil {
		return Account{}, err
	}
	hash, err := s.Passwords.HashRegistration(ctx, in.Password)
	if err != nil {
		return Account{}, err
	}
	return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (a Account, err error) {
		role := shop.User
		if s.FirstIsAdmin {
			first, err := isFirst(ctx, tx)
			if err != nil {
				return a, err
			}
			if first {
				role = shop.Admin
			}
		}
		if a, err = insert(ctx, tx, in, hash, role); err != nil {
			return a, err
		}
		err = event.Emit(ctx, tx, shop.UserRegistered{UserID: a.ID, Username: a.Username, Email: a.Email, FullName: a.FullName})
		if err != nil {
			return a, err
		}
		if a.Role != shop.User { // whoever registers is one, as others know
			if err := event.Emit(ctx, tx, shop.RoleChanged{UserID: a.ID, Role: a.Role}); err != nil {
				return a, err
			}
		}
		if err := s.requestVerification(ctx, tx, a); err != nil {
			return a, err
		}
		return a, audit.Record(ctx, tx, audit.Entry{Action: audit.Registered, User: a.ID, From: from, Details: map[string]string{"role": string(a.Role)}})
	})
}

// Authenticate finds the account of a username or e-mail address with its password. It fails with ErrCredentials, the
// same and as slowly whether the name, the password or the account's state is wrong; with lockout.ErrLocked after too
// many of those, the same whether there is such an account; with ErrBusy; and, only for the right password, with
// ErrUnverified where addresses must be proven first.
func (s *Service) Authenticate(ctx context.Context, name, password string, from audit.Origin) (Account, error) {
	found, err := s.authenticate(ctx, name, password, from)
	if err != nil {
		return Account{}, err
	}
	if s.RequireVerifiedEmail && !found.EmailVerified {
		return Account{}, ErrEmailNotVerified
	}
	if err := s.upgradeHash(ctx, found, password); err != nil {
		slog.WarnContext(ctx, "password not rehashed, the next sign-in tries again", "user", found.ID, "err", err)
	}
	return found.Account, nil
}

func (s *Service) authenticate(ctx context.Context, name, password string, from audit.Origin) (found accountWithPassword, err error) {
	try, err := s.Lockouts.Begin(ctx, canonical(name), from.Address)
	if err != nil {
		if failed := s.notifyLocked(ctx, name, try.LockedUntil(), from); failed != nil {
			return found, failed
		}
		return found, err
	}
	if found, err = getByLogin(ctx, s.db, name); err == nil {
		if err = s.Passwords.Check(ctx, found.PasswordHash, password); err == nil && !found.Active {
			err = ErrCredentials
		}
	}
	switch {
	case errors.Is(err, ErrCredentials):
		if failed := s.recordFailure(ctx, try, name, found.ID, from); failed != nil {
			return found, failed
		}
		return found, err
	case err != nil:
		settleAttempt(ctx, try.Cancel)
		return found, err
	}
	settleAttempt(ctx, try.Succeeded)
	return found, nil
}

// settleAttempt says how a try ended, also where whoever tried has gone. A try of which it could not be said counts as failed
// after a while.
func settleAttempt(ctx context.Context, how func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := how(ctx); err != nil {
		slog.WarnContext(ctx, "a sign-in will be counted as failed", "err", err)
	}
}

// recordFailure counts that somebody guessed wrong, and keeps it; if that was one guess too many it begins a lock.
func (s *Service) recordFailure(ctx context.Context, try *lockout.Attempt, name string, user shop.UserID, from audit.Origin) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	until, err := try.Failed(ctx)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx event.TX) error {
		if !until.IsZero() {
			if _, err := emitLocked(ctx, tx, name, until, from); err != nil {
				return err
			}
		}
		if err := audit.Record(ctx, tx, audit.Entry{Action: audit.SignInFailed, User: user, From: from}); err != nil || until.IsZero() {
			return err
		}
		return audit.Record(ctx, tx, lockedEntry(user, until, from))
	})
}

// notifyLocked tells the owner of a lock where the try that began it could not.
func (s *Service) notifyLocked(ctx context.Context, name string, until time.Time, from audit.Origin) error {
	if until.IsZero() {
		return nil
	}
	return s.db.Tx(ctx, func(tx event.TX) error {
		told, err := emitLocked(ctx, tx, name, until, from)
		if err != nil || told.Email == "" {
			return err
		}
		return audit.Record(ctx, tx, lockedEntry(told.ID, until, from))
	})
}

// emitLocked emits users.locked once for each lock: the zero Account is nobody to tell, or told already.
func emitLocked(ctx context.Context, tx event.TX, name string, until time.Time, from audit.Origin) (Account, error) {
	a, err := claimLockNotice(ctx, tx, name, until)
	if err != nil || a.Email == "" {
		return a, err
	}
	return a, event.Emit(ctx, tx, shop.UserLocked{UserID: a.ID, Email: a.Email, Username: a.Username, Until: until.UTC(), Address: from.Address})
}

func lockedEntry(user shop.UserID, until time.Time, from audit.Origin) audit.Entry {
	return audit.Entry{Action: audit.Locked, User: user, From: from, Details: map[string]string{"until": until.UTC().Format(time.RFC3339)}}
}

// upgradeHash hashes a password anew that was hashed with another cost, now that it is known.
func (s *Service) upgradeHash(ctx context.Context, who accountWithPassword, password string) error {
	if !s.Passwords.Outdated(who.PasswordHash) {
		return nil
	}
	hash, err := s.Passwords.Rehash(password)
	if errors.Is(err, ErrBusy) {
		return nil // at the next sign-in, then
	}
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return replaceHash(ctx, tx, who.ID, who.PasswordHash, hash) })
}

// Get is one account. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, id shop.UserID) (Account, error) {
	return get(ctx, s.db, id)
}

// List is the accounts that a filter lets through, the newest first.
func (s *Service) List(ctx context.Context, f Filter, q web.PageQuery) (web.Page[Account], error) {
	return web.PageOf(q, shop.UserID{UUID: uuid.Max}, func(before shop.UserID, most int) ([]Account, error) {
		return list(ctx, s.db, f, before, most)
	}, func(a Account) shop.UserID { return a.ID })
}
