package account

import (
	"cmp"
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

// Migrations create the tables of accounts.
var Migrations = postgres.Migrations{Name: "account", Files: postgres.Sub(files)}

// Sessions are the functions of package session that accounts need. End ends all sessions of a user but one (uuid.Nil:
// none). Erase ends all and deletes their personal data. Export returns them as JSON.
type Sessions struct {
	End    func(ctx context.Context, tx event.TX, user shop.UserID, except uuid.UUID, reason string) error
	Erase  func(ctx context.Context, tx event.TX, user shop.UserID, reason string) error
	Export func(ctx context.Context, db postgres.Reader, user shop.UserID) (json.RawMessage, error)
}

// Dependencies of the service. Exports are those of the other services by their names.
type Dependencies struct {
	Passwords            *Passwords
	Lockouts             *lockout.Service
	MailTokens           *mailtoken.Service
	Sessions             Sessions
	Exports              map[string]Export
	FirstIsAdmin         bool // the first account becomes an admin
	RequireVerifiedEmail bool // a sign-in needs a verified address
}

// Service implements accounts.
type Service struct {
	db *event.Outbox
	Dependencies
	mailRequested chan struct{} // wakes ProcessMailRequests
}

// NewService returns a service on an open database.
func NewService(db *event.Outbox, dependencies Dependencies) *Service {
	return &Service{db, dependencies, make(chan struct{}, 1)}
}

// Register opens an account and publishes users.registered and users.verification_requested. It fails with
// ErrUsernameTaken, ErrEmailTaken, ErrBusy, or ErrInvalid for a username or password that is refused.
func (s *Service) Register(ctx context.Context, in Registration, from audit.Origin) (Account, error) {
	err := invalid("username", usernameProblem(in.Username),
		"password", passwordProblem(in.Password, in.Username, in.Email, in.FullName))
	if err != nil {
		return Account{}, err
	}
	hash, err := s.Passwords.HashRegistration(ctx, in.Password)
	if err != nil {
		return Account{}, err
	}
	return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (a Account, err error) {
		role, err := s.initialRole(ctx, tx)
		if err != nil {
			return a, err
		}
		if a, err = insert(ctx, tx, in, hash, role); err != nil {
			return a, err
		}
		e := shop.UserRegistered{UserID: a.ID, Username: a.Username, Email: a.Email, FullName: a.FullName}
		if err := event.Emit(ctx, tx, e); err != nil {
			return a, err
		}
		if a.Role != shop.User { // the default, which users.registered implies
			if err := event.Emit(ctx, tx, shop.RoleChanged{UserID: a.ID, Role: a.Role}); err != nil {
				return a, err
			}
		}
		if err := s.sendMailToken(ctx, tx, a, mailtoken.VerifyEmail); err != nil {
			return a, err
		}
		return a, audit.Record(ctx, tx, audit.Entry{
			Action: audit.Registered, User: a.ID, From: from, Details: map[string]string{"role": string(a.Role)},
		})
	})
}

func (s *Service) initialRole(ctx context.Context, tx event.TX) (shop.Role, error) {
	if s.FirstIsAdmin {
		if first, err := isFirst(ctx, tx); err != nil || first {
			return shop.Admin, err
		}
	}
	return shop.User, nil
}

// Authenticate returns the account with a username or e-mail address and a password. It fails with ErrCredentials, the
// same and after the same time for an unknown name, a wrong password and a closed account; with lockout.ErrLocked after
// too many failures, whether or not there is an account; with ErrBusy; or, after the right password, with
// ErrEmailNotVerified.
func (s *Service) Authenticate(ctx context.Context, name, password string, from audit.Origin) (Account, error) {
	a, err := s.authenticate(ctx, name, password, from)
	if err != nil {
		return Account{}, err
	}
	if s.RequireVerifiedEmail && !a.EmailVerified {
		return Account{}, ErrEmailNotVerified
	}
	if err := s.upgradeHash(ctx, a, password); err != nil {
		slog.WarnContext(ctx, "password not rehashed, the next sign-in tries again", "user", a.ID, "err", err)
	}
	return a.Account, nil
}

func (s *Service) authenticate(
	ctx context.Context, name, password string, from audit.Origin,
) (accountWithPassword, error) {
	a, err := getByLogin(ctx, s.db, name)
	if err != nil {
		return a, err
	}
	subject := lockout.Account(a.ID)
	if a.Email == "" {
		subject = lockout.Name(canonical(name))
	}
	return a, s.checkPassword(ctx, a, subject, password, from)
}

// checkPassword counts the attempt for a subject and checks the password of an account, which is the zero one for an
// unknown name. It fails with ErrCredentials, also for a closed account, with lockout.ErrLocked or with ErrBusy.
func (s *Service) checkPassword(
	ctx context.Context, a accountWithPassword, subject lockout.Subject, password string, from audit.Origin,
) error {
	attempt, err := s.Lockouts.Begin(ctx, subject, from.Address)
	if err != nil {
		return cmp.Or(s.notifyLocked(ctx, a.ID, attempt.LockedUntil(), from), err)
	}
	if err = s.Passwords.Check(ctx, a.PasswordHash, password); err == nil && !a.Active {
		err = ErrCredentials
	}
	switch {
	case errors.Is(err, ErrCredentials):
		return cmp.Or(s.recordFailure(ctx, attempt, a.ID, from), err)
	case err != nil:
		settleAttempt(ctx, attempt.Cancel)
		return err
	}
	settleAttempt(ctx, attempt.Succeeded)
	return nil
}

// settleAttempt ends an attempt, even if the client has disconnected. If that fails it counts as failed after its
// lease.
func settleAttempt(ctx context.Context, settle func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := settle(ctx); err != nil {
		slog.WarnContext(ctx, "sign-in attempt not settled, it will count as failed", "err", err)
	}
}

// recordFailure counts and audits a failed sign-in, and notifies the owner if that starts a lock.
func (s *Service) recordFailure(
	ctx context.Context, attempt *lockout.Attempt, user shop.UserID, from audit.Origin,
) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	until, err := attempt.Failed(ctx)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx event.TX) error {
		if !until.IsZero() {
			if _, err := emitLocked(ctx, tx, user, until, from); err != nil {
				return err
			}
		}
		err := audit.Record(ctx, tx, audit.Entry{Action: audit.SignInFailed, User: user, From: from})
		if err != nil || until.IsZero() {
			return err
		}
		return audit.Record(ctx, tx, lockedEntry(user, until, from))
	})
}

// notifyLocked notifies the owner of a lock if the attempt that started it could not.
func (s *Service) notifyLocked(ctx context.Context, user shop.UserID, until time.Time, from audit.Origin) error {
	if until.IsZero() {
		return nil
	}
	return s.db.Tx(ctx, func(tx event.TX) error {
		a, err := emitLocked(ctx, tx, user, until, from)
		if err != nil || a.Email == "" {
			return err
		}
		return audit.Record(ctx, tx, lockedEntry(a.ID, until, from))
	})
}

// emitLocked publishes users.locked once for each lock. It returns the zero Account if there is none, or if it was
// published.
func emitLocked(
	ctx context.Context, tx event.TX, user shop.UserID, until time.Time, from audit.Origin,
) (Account, error) {
	a, err := claimLockNotice(ctx, tx, user, until)
	if err != nil || a.Email == "" {
		return a, err
	}
	return a, event.Emit(ctx, tx, shop.UserLocked{
		UserID: a.ID, Email: a.Email, Username: a.Username, Until: until.UTC(), Address: from.Address,
	})
}

func lockedEntry(user shop.UserID, until time.Time, from audit.Origin) audit.Entry {
	details := map[string]string{"until": until.UTC().Format(time.RFC3339)}
	return audit.Entry{Action: audit.Locked, User: user, From: from, Details: details}
}

// upgradeHash hashes a password again if its hash has another cost than the current one.
func (s *Service) upgradeHash(ctx context.Context, a accountWithPassword, password string) error {
	if !s.Passwords.Outdated(a.PasswordHash) {
		return nil
	}
	hash, err := s.Passwords.Rehash(password)
	if errors.Is(err, ErrBusy) {
		return nil // the next sign-in tries again
	}
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return replaceHash(ctx, tx, a.ID, a.PasswordHash, hash) })
}

// Get returns an account. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, id shop.UserID) (Account, error) {
	return get(ctx, s.db, id)
}

// List returns the accounts that match a filter, newest first.
func (s *Service) List(ctx context.Context, f Filter, q web.PageQuery) (web.Page[Account], error) {
	return web.PageOf(q, shop.UserID{UUID: uuid.Max}, func(before shop.UserID, limit int) ([]Account, error) {
		return list(ctx, s.db, f, before, limit)
	}, func(a Account) shop.UserID { return a.ID })
}
