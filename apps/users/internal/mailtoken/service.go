package mailtoken

import (
	"context"
	"embed"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations create the table of tokens, which references that of accounts.
var Migrations = postgres.Migrations{Name: "mailtoken", Files: postgres.Sub(files)}

// Lifetimes are those of tokens.
type Lifetimes struct{ Verify, Reset time.Duration }

// Service issues and redeems tokens.
type Service struct {
	db        *pgxpool.Pool
	key       []byte
	lifetimes Lifetimes
}

// NewService returns a service that computes tokens with a key, which must be secret and used for nothing else.
func NewService(db *pgxpool.Pool, key []byte, lifetimes Lifetimes) *Service {
	return &Service{db, key, lifetimes}
}

// maxPerHour limits the e-mails of one purpose to an account.
const maxPerHour = 5

// CanIssue reports whether an account is below the limit of e-mails of a purpose.
func (s *Service) CanIssue(ctx context.Context, tx pgx.Tx, user shop.UserID, purpose Purpose) (bool, error) {
	n, err := countLastHour(ctx, tx, user, purpose)
	return n < maxPerHour, err
}

// Issue issues a token for an account and an address. It supersedes earlier tokens of the purpose, and deletes those
// older than a month. The caller must hold the lock of the account's row.
func (s *Service) Issue(
	ctx context.Context, tx pgx.Tx, user shop.UserID, email string, purpose Purpose,
) (Request, error) {
	if err := errors.Join(deleteOld(ctx, tx, user), Revoke(ctx, tx, user, purpose)); err != nil {
		return Request{}, err
	}
	lifetime := s.lifetimes.Verify
	if purpose == ResetPassword {
		lifetime = s.lifetimes.Reset
	}
	id := shop.NewID()
	expires, err := insert(ctx, tx, id, user, email, purpose, fingerprint(compute(s.key, id)), lifetime)
	return Request{ID: id, ExpiresAt: expires}, err
}

// Redeem uses a token. Of concurrent calls one succeeds; the others fail with ErrInvalidToken.
func (s *Service) Redeem(ctx context.Context, tx pgx.Tx, token string, purpose Purpose) (Proof, error) {
	return redeem(ctx, tx, fingerprint(token), purpose)
}

// Peek returns what a token proves, without using it. It fails with ErrInvalidToken.
func (s *Service) Peek(ctx context.Context, token string, purpose Purpose) (Proof, error) {
	return find(ctx, s.db, fingerprint(token), purpose)
}

// Reveal returns the token of a request. It fails with ErrRequestNotFound or ErrRequestClosed.
func (s *Service) Reveal(ctx context.Context, request uuid.UUID) (Token, error) {
	state, err := get(ctx, s.db, request)
	if err != nil {
		return Token{}, err
	}
	if !state.Open {
		return Token{}, ErrRequestClosed
	}
	return Token{Token: compute(s.key, request), Purpose: state.Purpose, ExpiresAt: state.ExpiresAt}, nil
}
