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
	"sidecart/apps/users/internal/lockout"
	"sidecart/apps/users/internal/mailtoken"
	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// sendMailToken issues a token for an account's address and publishes the event that has it sent. The caller holds the
// lock of the account or has just inserted it.
func (s *Service) sendMailToken(ctx context.Context, tx event.TX, a Account, purpose mailtoken.Purpose) error {
	r, err := s.MailTokens.Issue(ctx, tx, a.ID, a.Email, purpose)
	if err != nil {
		return err
	}
	if purpose == mailtoken.ResetPassword {
		return event.Emit(ctx, tx, shop.PasswordResetRequested{
			RequestID: r.ID, UserID: a.ID, Email: a.Email, Username: a.Username, FullName: a.FullName,
			ExpiresAt: r.ExpiresAt.UTC(),
		})
	}
	return event.Emit(ctx, tx, shop.VerificationRequested{
		RequestID: r.ID, UserID: a.ID, Email: a.Email, Username: a.Username, FullName: a.FullName,
		ExpiresAt: r.ExpiresAt.UTC(),
	})
}

// VerifyEmail verifies the address that a token was sent to. It fails with mailtoken.ErrInvalidToken, also if the
// account has another address now. Of concurrent calls one succeeds.
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
		verified, err := markVerified(ctx, tx, proof)
		if err != nil {
			return err
		}
		if !verified {
			return mailtoken.ErrInvalidToken
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.EmailVerified, User: proof.AccountID, From: from})
	})
}

// markVerified publishes users.verified if the address was not verified before.
func markVerified(ctx context.Context, tx event.TX, proof mailtoken.Proof) (bool, error) {
	verified, err := verify(ctx, tx, proof.AccountID, proof.Email)
	if err != nil || !verified {
		return false, err
	}
	return true, event.Emit(ctx, tx, shop.UserVerified{UserID: proof.AccountID, Email: proof.Email})
}

// erasedToInvalidToken replaces ErrNotFound: the account was erased after its token was issued.
func erasedToInvalidToken(err error) error {
	if errors.Is(err, ErrNotFound) {
		return mailtoken.ErrInvalidToken
	}
	return err
}

// ResetPassword sets a new password with the token of an e-mail, ends all sessions and removes the lockout. It fails
// with mailtoken.ErrInvalidToken, ErrInvalid for a password that is refused, or ErrBusy.
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
		if _, err := markVerified(ctx, tx, proof); err != nil { // the token proves the address, too
			return err
		}
		return s.replacePassword(ctx, tx, now.ID, hash, uuid.Nil,
			audit.Entry{Action: audit.PasswordReset, User: now.ID, From: from})
	})
	if err != nil {
		return err
	}
	if err := s.Lockouts.Reset(ctx, lockout.Account(a.ID)); err != nil {
		slog.WarnContext(ctx, "lockout not removed after a password reset", "user", a.ID, "err", err)
	}
	return nil
}

// replacePassword sets a password, revokes open reset tokens and ends all sessions but one (uuid.Nil: none).
func (s *Service) replacePassword(
	ctx context.Context, tx event.TX, id shop.UserID, hash []byte, session uuid.UUID, entry audit.Entry,
) error {
	if err := setPassword(ctx, tx, id, hash); err != nil {
		return err
	}
	if err := mailtoken.Revoke(ctx, tx, id, mailtoken.ResetPassword); err != nil {
		return err
	}
	if err := s.Sessions.End(ctx, tx, id, session, "password changed"); err != nil {
		return err
	}
	if err := event.Emit(ctx, tx, shop.PasswordChanged{UserID: id}); err != nil {
		return err
	}
	return audit.Record(ctx, tx, entry)
}

// RequestMail stores a request for an e-mail. ProcessMailRequests looks the account up later, so that neither the
// response nor its time reveals whether there is one.
func (s *Service) RequestMail(ctx context.Context, purpose mailtoken.Purpose, email string, from audit.Origin) error {
	err := s.db.Tx(ctx, func(tx event.TX) error {
		return insertMailRequest(ctx, tx, mailRequest{
			Purpose: purpose, EmailKey: canonical(email), Address: from.Address, UserAgent: from.UserAgent,
		})
	})
	select {
	case s.mailRequested <- struct{}{}:
	default:
	}
	return err
}

// mailPollInterval is how often requests of other replicas are processed that these did not process.
const mailPollInterval = 5 * time.Second

// ProcessMailRequests processes requests for e-mails until ctx ends. Replicas share them.
func (s *Service) ProcessMailRequests(ctx context.Context) error {
	tick := time.NewTicker(mailPollInterval)
	defer tick.Stop()
	for {
		for more := true; more; {
			var err error
			if more, err = s.ProcessMailRequest(ctx); err != nil && ctx.Err() == nil {
				slog.WarnContext(ctx, "mail request not processed", "err", err)
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

// ProcessMailRequest processes the oldest request: it has an e-mail sent if there is an active account with the
// address, below the limit of e-mails. It returns whether there was a request. A request that fails is due again in a
// minute.
func (s *Service) ProcessMailRequest(ctx context.Context) (found bool, err error) {
	var r mailRequest
	err = s.db.Tx(ctx, func(tx event.TX) (err error) {
		if r, err = takeMailRequest(ctx, tx); err != nil || r.ID == uuid.Nil {
			return err
		}
		a, err := lockByEmail(ctx, tx, r.EmailKey)
		if err != nil || a.Email == "" || r.Purpose == mailtoken.VerifyEmail && a.EmailVerified {
			return err
		}
		if ok, err := s.MailTokens.CanIssue(ctx, tx, a.ID, r.Purpose); err != nil || !ok {
			return err
		}
		if err := s.sendMailToken(ctx, tx, a, r.Purpose); err != nil || r.Purpose == mailtoken.VerifyEmail {
			return err
		}
		from := audit.Origin{Address: r.Address, UserAgent: r.UserAgent}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.ResetRequested, User: a.ID, From: from})
	})
	if r.ID == uuid.Nil || err == nil {
		return r.ID != uuid.Nil, err
	}
	err = fmt.Errorf("request %s: %w", r.ID, err)
	failed := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return postponeMailRequest(ctx, tx, r.ID) })
	return failed == nil, errors.Join(err, failed)
}
