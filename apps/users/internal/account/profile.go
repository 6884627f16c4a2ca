package account

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/mailtoken"
	"sidecart/kit/event"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// UpdateProfile changes what somebody says of themselves and tells users.profile_changed. Another e-mail address is to be
// verified anew, and tokens that went to the old one are void. It fails with ErrUsername, ErrEmail, ErrMails, or
// ErrInvalid for a username that imitates.
func (s *Service) UpdateProfile(ctx context.Context, who shop.Caller, in AccountUpdate, from audit.Origin) (a Account, err error) {
	if in.Username != nil {
		if err := invalid("username", usernameProblem(*in.Username)); err != nil {
			return a, err
		}
	}
	err = s.db.Tx(ctx, func(tx event.TX) error {
		before, err := lock(ctx, tx, who.ID)
		if err != nil {
			return err
		}
		a = in.apply(before.Account)
		if a == before.Account {
			return nil
		}
		if a, err = updateProfile(ctx, tx, a); err != nil {
			return err
		}
		told := shop.ProfileChanged{UserID: a.ID, Username: a.Username, Email: a.Email, FullName: a.FullName}
		if a.Email != before.Email {
			told.PreviousEmail = before.Email
			if err := s.verifyNewAddress(ctx, tx, a); err != nil {
				return err
			}
		}
		if err := event.Emit(ctx, tx, told); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.ProfileChanged, Actor: who.ID, User: a.ID, From: from, Details: in.changedFields()})
	})
	return a, err
}

func (in AccountUpdate) apply(a Account) Account {
	web.Apply(&a.Username, in.Username)
	web.Apply(&a.FullName, in.FullName)
	if in.Email != nil && *in.Email != a.Email {
		a.Email, a.EmailVerified = *in.Email, false
	}
	return a
}

// changedFields are the fields that were sent, for the audit, which holds no more of people than it must.
func (in AccountUpdate) changedFields() map[string]string {
	sent := map[string]string{}
	for name, field := range map[string]*string{"username": in.Username, "email": in.Email, "full_name": in.FullName} {
		if field != nil {
			sent[name] = "sent"
		}
	}
	return sent
}

func (s *Service) verifyNewAddress(ctx context.Context, tx event.TX, a Account) error {
	may, err := s.MailTokens.CanIssue(ctx, tx, a.ID, mailtoken.VerifyEmail)
	if err != nil {
		return err
	}
	if !may { // or one account could have us write to all the world
		return ErrTooManyMails
	}
	if err := mailtoken.Revoke(ctx, tx, a.ID, ""); err != nil {
		return err
	}
	return s.requestVerification(ctx, tx, a)
}

// ChangePassword needs the current password and ends the other sessions. Wrong ones count as failed sign-ins, or a stolen
// token would be a place to guess. It fails with ErrPassword, lockout.ErrLocked, ErrBusy, or ErrInvalid for a password
// that the policy refuses.
func (s *Service) ChangePassword(ctx context.Context, who shop.Caller, current, next string, from audit.Origin) error {
	a, err := s.Get(ctx, who.ID)
	if err != nil {
		return err
	}
	if err := invalid("new_password", passwordProblem(next, a.Username, a.Email, a.FullName)); err != nil {
		return err
	}
	found, err := s.authenticate(ctx, a.Username, current, from)
	switch {
	case errors.Is(err, ErrCredentials) || err == nil && found.ID != who.ID:
		return ErrWrongPassword
	case err != nil:
		return err
	}
	hash, err := s.Passwords.Hash(ctx, next)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx event.TX) error {
		now, err := lock(ctx, tx, who.ID)
		if err != nil {
			return err
		}
		if !bytes.Equal(now.PasswordHash, found.PasswordHash) {
			return ErrWrongPassword // by now
		}
		return s.replacePassword(ctx, tx, now.Account, hash, who, audit.Entry{Action: audit.PasswordChanged, Actor: who.ID, User: who.ID, From: from})
	})
}

// Export asks another service for all that it holds of somebody, as JSON.
type Export func(ctx context.Context, user shop.UserID) (json.RawMessage, error)

// AccountExport is all that the platform holds of somebody. Services has what others than users hold, by their names.
type AccountExport struct {
	ExportedAt time.Time                  `json:"exported_at"`
	Account    Account                    `json:"account"`
	Sessions   json.RawMessage            `json:"sessions"`
	Audit      []audit.AuditEntry         `json:"audit"`
	Services   map[string]json.RawMessage `json:"services"`
}

// Export is all that is held of the caller. It fails with ErrHalfExport rather than leave something out.
func (s *Service) Export(ctx context.Context, who shop.Caller, from audit.Origin) (held AccountExport, err error) {
	held = AccountExport{ExportedAt: time.Now().UTC(), Services: map[string]json.RawMessage{}}
	if held.Account, err = s.Get(ctx, who.ID); err != nil {
		return held, err
	}
	if held.Sessions, err = s.Sessions.Export(ctx, s.db, who.ID); err != nil {
		return held, err
	}
	for service, ask := range s.Exports {
		if held.Services[service], err = ask(ctx, who.ID); err != nil {
			return held, ErrIncompleteExport.Wrap(err)
		}
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		return audit.Record(ctx, tx, audit.Entry{Action: audit.Exported, Actor: who.ID, User: who.ID, From: from})
	})
	if err != nil {
		return held, err
	}
	held.Audit, err = audit.ListByUser(ctx, s.db, who.ID)
	return held, err
}

// Erase forgets somebody: their names and password are gone for good, their sessions end, and users.erased tells the
// others. The row stays, as nobody. It fails with ErrLastAdmin.
func (s *Service) Erase(ctx context.Context, who shop.Caller, from audit.Origin) error {
	var before accountWithPassword
	err := s.db.Tx(ctx, func(tx event.TX) (err error) {
		if err := lockAdmins(ctx, tx); err != nil {
			return err
		}
		if before, err = lock(ctx, tx, who.ID); err != nil {
			return err
		}
		if err := anonymise(ctx, tx, who.ID); err != nil {
			return err
		}
		if err := requireAdmin(ctx, tx, before.Account); err != nil {
			return err
		}
		if err := s.eraseMail(ctx, tx, before.Account); err != nil {
			return err
		}
		if err := s.Sessions.Erase(ctx, tx, who.ID, "account erased"); err != nil {
			return err
		}
		if err := event.Emit(ctx, tx, shop.UserErased{UserID: who.ID}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.Erased, Actor: who.ID, User: who.ID, From: from})
	})
	if err != nil {
		return err
	}
	if err := s.Lockouts.Erase(ctx, canonical(before.Username), canonical(before.Email)); err != nil {
		slog.WarnContext(ctx, "counts of failed sign-ins of an erased account stay until they end", "user", who.ID, "err", err)
	}
	return nil
}

func (s *Service) eraseMail(ctx context.Context, tx pgx.Tx, a Account) error {
	if err := deleteMailRequests(ctx, tx, a.Email); err != nil {
		return err
	}
	return mailtoken.Erase(ctx, tx, a.ID)
}
