package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/mailtoken"
	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// requestVerification makes the token that proves an account's address, and tells that it is to be sent. The account is locked by
// the caller, or was just made.
func (s *Service) requestVerification(ctx context.Context, tx event.TX, a Account) error {
	r, err := s.MailTokens.Issue(ctx, tx, a.ID, a.Email, mailtoken.VerifyEmail)
	if err != nil {
		return err
	}
	return event.Emit(ctx, tx, shop.VerificationRequested{
		RequestID: r.ID, UserID: a.ID, Email: a.Email, Username: a.Username, FullName: a.FullName, ExpiresAt: r.ExpiresAt.UTC(),
	})
}

// VerifyEmail takes the token of a mail as proof of its address. It fails with mailtoken.ErrToken, also for the second of
// two at once, and where the account has another address by now.
func (s *Service) VerifyEmail(ctx context.Context, token string, from audit.Origin) error {
	proof, err := s.MailTokens.Peek(ctx, token, mailtoken.VerifyEmail)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx event.TX) error {
		if _, err := lock(ctx, tx, proof.AccountID); err != nil {
			return erasedToInvalidToken(err)
		}
		if proof, err = s.MailTokens.Redeem(ctx, tx, token, mailtoken.VerifyEmail); err != nil {
			return err
		}
		proven, err := verify(ctx, tx, proof.AccountID, proof.Email)
		if err != nil {
			return err
		}
		if !proven {
			return mailtoken.ErrInvalidToken
		}
		if err := event.Emit(ctx, tx, shop.UserVerified{UserID: proof.AccountID}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.EmailVerified, User: proof.AccountID, From: from})
	})
}

func erasedToInvalidToken(err error) error {
	if errors.Is(err, ErrNotFound) {
		return mailtoken.ErrInvalidToken
	}
	return err
}

// ResetPassword takes the token of a mail in the place of a forgotten password, ends all sessions and forgives failed
// sign-ins. It fails with mailtoken.ErrToken, with ErrInvalid for a password that the policy refuses, or with ErrBusy.
func (s *Service) ResetPassword(ctx context.Context, token, password string, from audit.Origin) error {
	proof, err := s.MailTokens.Peek(ctx, token, mailtoken.ResetPassword)
	if err != nil {
		return err
	}
	a, err := s.Get(ctx, proof.AccountID)
	if err != nil {
		return erasedToInvalidToken(err)
	}
	if err := invalid("new_password", passwordProblem(password, a.Username, a.Email, a.FullName)); err != nil {
		return err
	}
	hash, err := s.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	err = s.db.Tx(ctx, func(tx event.TX) error {
		now, err := lock(ctx, tx, proof.AccountID)
		if err != nil {
			return erasedToInvalidToken(err)
		}
		if proof, err = s.MailTokens.Redeem(ctx, tx, token, mailtoken.ResetPassword); err != nil || !now.Active {
			return errors.Join(err, mailtoken.ErrInvalidToken)
		}
		if proven, err := verify(ctx, tx, now.ID, proof.Email); err != nil {
			return err
		} else if proven { // whoever has the mail has the address
			if err := event.Emit(ctx, tx, shop.UserVerified{UserID: now.ID}); err != nil {
				return err
			}
		}
		return s.replacePassword(ctx, tx, now.Account, hash, shop.Caller{}, audit.Entry{Action: audit.PasswordReset, User: now.ID, From: from})
	})
	if err != nil {
		return err
	}
	if err := s.Lockouts.Reset(ctx, canonical(a.Username), canonical(a.Email)); err != nil {
		slog.WarnContext(ctx, "failed sign-ins not forgiven after a password reset", "user", a.ID, "err", err)
	}
	return nil
}

// replacePassword ends the sessions of an account but the caller's own (a zero caller has none) and makes the tokens of
// earlier mails void: whoever knew the old password has nothing left of it.
func (s *Service) replacePassword(ctx context.Context, tx event.TX, a Account, hash []byte, who shop.Caller, entry audit.Entry) error {
	if err := setPassword(ctx, tx, a.ID, hash); err != nil {
		return err
	}
	if err := mailtoken.Revoke(ctx, tx, a.ID, mailtoken.ResetPassword); err != nil {
		return err
	}
	if err := s.Sessions.End(ctx, tx, a.ID, who.SessionID, "password changed"); err != nil {
		return err
	}
	if err := event.Emit(ctx, tx, shop.PasswordChanged{UserID: a.ID}); err != nil {
		return err
	}
	return audit.Record(ctx, tx, entry)
}

// RequestMail keeps that somebody wants a mail to an address. It never says, not even by the time it takes, whether there
// is an account with it: that is found out afterwards.
func (s *Service) RequestMail(ctx context.Context, purpose mailtoken.Purpose, email string, from audit.Origin) error {
	err := s.db.Tx(ctx, func(tx event.TX) error {
		return insertMailRequest(ctx, tx, mailRequest{Purpose: string(purpose), EmailKey: canonical(email), Address: from.Address, UserAgent: from.UserAgent})
	})
	select {
	case s.mailRequested <- struct{}{}:
	default:
	}
	return err
}

// mailPollInterval is how often requests are looked for that another replica took and did not answer.
const mailPollInterval = 5 * time.Second

// ProcessMailRequests answers requests for mails as they come, until ctx ends. Replicas share them.
func (s *Service) ProcessMailRequests(ctx context.Context) error {
	tick := time.NewTicker(mailPollInterval)
	defer tick.Stop()
	for {
		for {
			more, err := s.ProcessMailRequest(ctx)
			if err != nil && ctx.Err() == nil {
				slog.WarnContext(ctx, "requests for mails wait", "err", err)
			}
			if !more {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.mailRequested:
		case <-tick.C:
		}
	}
}

// ProcessMailRequest takes the oldest request and, if there is an open account with that address and not too many mails went there
// lately, tells that one is to be sent. It says whether there was a request: one that fails steps aside for a minute.
func (s *Service) ProcessMailRequest(ctx context.Context) (was bool, err error) {
	var r mailRequest
	err = s.db.Tx(ctx, func(tx event.TX) (err error) {
		if r, err = takeMailRequest(ctx, tx); err != nil || r.ID == uuid.Nil {
			return err
		}
		a, err := lockByEmail(ctx, tx, r.EmailKey)
		if err != nil || a.Email == "" {
			return err
		}
		purpose := mailtoken.Purpose(r.Purpose)
		may, err := s.MailTokens.CanIssue(ctx, tx, a.ID, purpose)
		if err != nil || !may || purpose == mailtoken.VerifyEmail && a.EmailVerified {
			return err
		}
		if purpose == mailtoken.VerifyEmail {
			return s.requestVerification(ctx, tx, a)
		}
		return s.requestReset(ctx, tx, a, audit.Origin{Address: r.Address, UserAgent: r.UserAgent})
	})
	if r.ID == uuid.Nil || err == nil {
		return r.ID != uuid.Nil, err
	}
	err = fmt.Errorf("request %s: %w", r.ID, err)
	if failed := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return postponeMailRequest(ctx, tx, r.ID) }); failed != nil {
		return false, errors.Join(err, failed)
	}
	return true, err
}

func (s *Service) requestReset(ctx context.Context, tx event.TX, a Account, from audit.Origin) error {
	r, err := s.MailTokens.Issue(ctx, tx, a.ID, a.Email, mailtoken.ResetPassword)
	if err != nil {
		return err
	}
	err = event.Emit(ctx, tx, shop.PasswordResetRequested{
		RequestID: r.ID, UserID: a.ID, Email: a.Email, Username: a.Username, FullName: a.FullName, ExpiresAt: r.ExpiresAt.UTC(),
	})
	if err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Entry{Action: audit.ResetRequested, User: a.ID, From: from})
}
