package account

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/lockout"
	"sidecart/apps/users/internal/mailtoken"
	"sidecart/kit/event"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// UpdateProfile updates the caller's account and publishes users.profile_changed. A new e-mail address must be verified
// again, and tokens sent to the old one are revoked. It fails with ErrUsernameTaken, ErrEmailTaken, ErrTooManyMails, or
// ErrInvalid for a username that is refused.
func (s *Service) UpdateProfile(
	ctx context.Context, caller shop.Caller, in AccountUpdate, from audit.Origin,
) (a Account, err error) {
	if in.Username != nil {
		if err := invalid("username", usernameProblem(*in.Username)); err != nil {
			return a, err
		}
	}
	err = s.db.Tx(ctx, func(tx event.TX) error {
		before, err := lock(ctx, tx, caller.ID)
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
		e := shop.ProfileChanged{UserID: a.ID, Username: a.Username, Email: a.Email, FullName: a.FullName}
		if a.Email != before.Email {
			e.PreviousEmail = before.Email
			if err := s.verifyNewAddress(ctx, tx, a); err != nil {
				return err
			}
		}
		if err := event.Emit(ctx, tx, e); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Action: audit.ProfileChanged, Actor: caller.ID, User: a.ID, From: from,
			Details: changedFields(before.Account, a),
		})
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

// changedFields returns the names of the changed fields for the audit, which does not store their values.
func changedFields(before, after Account) map[string]string {
	fields := map[string]string{}
	for name, changed := range map[string]bool{
		"username": before.Username != after.Username, "email": before.Email != after.Email,
		"full_name": before.FullName != after.FullName,
	} {
		if changed {
			fields[name] = "changed"
		}
	}
	return fields
}

// verifyNewAddress fails with ErrTooManyMails above the limit: otherwise an account could send e-mails to any number of
// addresses.
func (s *Service) verifyNewAddress(ctx context.Context, tx event.TX, a Account) error {
	ok, err := s.MailTokens.CanIssue(ctx, tx, a.ID, mailtoken.VerifyEmail)
	if err != nil {
		return err
	}
	if !ok {
		return ErrTooManyMails
	}
	if err := mailtoken.Revoke(ctx, tx, a.ID, ""); err != nil {
		return err
	}
	return s.sendMailToken(ctx, tx, a, mailtoken.VerifyEmail)
}

// ChangePassword ends the other sessions. Wrong current passwords count as failed sign-ins, so that a stolen token is
// no way to guess the password. It fails with ErrWrongPassword, lockout.ErrLocked, ErrBusy, or ErrInvalid for a
// password that is refused.
func (s *Service) ChangePassword(
	ctx context.Context, caller shop.Caller, current, next string, from audit.Origin,
) error {
	a, err := getWithPassword(ctx, s.db, caller.ID)
	if err != nil {
		return err
	}
	if err := invalid("new_password", passwordProblem(next, a.Username, a.Email, a.FullName)); err != nil {
		return err
	}
	if err := s.checkPassword(ctx, a, lockout.Account(a.ID), current, from); errors.Is(err, ErrCredentials) {
		return ErrWrongPassword
	} else if err != nil {
		return err
	}
	hash, err := s.Passwords.Hash(ctx, next)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx event.TX) error {
		now, err := lock(ctx, tx, caller.ID)
		if err != nil {
			return err
		}
		if !bytes.Equal(now.PasswordHash, a.PasswordHash) {
			return ErrWrongPassword // changed meanwhile
		}
		return s.replacePassword(ctx, tx, caller.ID, hash, caller.SessionID,
			audit.Entry{Action: audit.PasswordChanged, Actor: caller.ID, User: caller.ID, From: from})
	})
}

// Export returns all personal data of a user in another service, as JSON.
type Export func(ctx context.Context, user shop.UserID) (json.RawMessage, error)

// AccountExport is all personal data of a user. Services has that of the other services by their names.
type AccountExport struct {
	ExportedAt time.Time                  `json:"exported_at"`
	Account    Account                    `json:"account"`
	Sessions   json.RawMessage            `json:"sessions"`
	Audit      []audit.AuditEntry         `json:"audit"`
	Services   map[string]json.RawMessage `json:"services"`
}

// Export returns all personal data of the caller. It fails with ErrIncompleteExport if a part is missing.
func (s *Service) Export(ctx context.Context, caller shop.Caller, from audit.Origin) (x AccountExport, err error) {
	x = AccountExport{ExportedAt: time.Now().UTC(), Services: map[string]json.RawMessage{}}
	if x.Account, err = s.Get(ctx, caller.ID); err != nil {
		return x, err
	}
	if x.Sessions, err = s.Sessions.Export(ctx, s.db, caller.ID); err != nil {
		return x, err
	}
	for service, export := range s.Exports {
		if x.Services[service], err = export(ctx, caller.ID); err != nil {
			return x, ErrIncompleteExport.Wrap(err)
		}
	}
	err = s.record(ctx, audit.Entry{Action: audit.Exported, Actor: caller.ID, User: caller.ID, From: from})
	if err != nil {
		return x, err
	}
	x.Audit, err = audit.ListByUser(ctx, s.db, caller.ID)
	return x, err
}

// Erase anonymises the caller's account, ends its sessions and publishes users.erased, on which the other services
// erase their data. It fails with ErrLastAdmin.
func (s *Service) Erase(ctx context.Context, caller shop.Caller, from audit.Origin) error {
	var before accountWithPassword
	err := s.db.Tx(ctx, func(tx event.TX) (err error) {
		if err := lockAdmins(ctx, tx); err != nil {
			return err
		}
		if before, err = lock(ctx, tx, caller.ID); err != nil {
			return err
		}
		if err := anonymise(ctx, tx, caller.ID); err != nil {
			return err
		}
		if err := requireAdmin(ctx, tx, before.Account); err != nil {
			return err
		}
		err = errors.Join(deleteMailRequests(ctx, tx, before.Email), mailtoken.Erase(ctx, tx, caller.ID))
		if err != nil {
			return err
		}
		if err := s.Sessions.Erase(ctx, tx, caller.ID, "account erased"); err != nil {
			return err
		}
		if err := event.Emit(ctx, tx, shop.UserErased{UserID: caller.ID}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.Erased, Actor: caller.ID, User: caller.ID, From: from})
	})
	if err != nil {
		return err
	}
	if err := s.Lockouts.Erase(ctx, lockout.Account(caller.ID)); err != nil {
		slog.WarnContext(ctx, "lockout counters of an erased account not deleted, they will expire",
			"user", caller.ID, "err", err)
	}
	return nil
}
