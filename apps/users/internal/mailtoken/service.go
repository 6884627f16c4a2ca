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

// Migrations are the tokens' table; it stands on the accounts'.
var Migrations = postgres.Migrations{Name: "mailtoken", Files: postgres.Sub(files)}

// Lifetimes are how long a token is good.
type Lifetimes struct{ Verify, Reset time.Duration }

// Service makes tokens and takes them back.
type Service struct {
	db        *pgxpool.Pool
	key       []byte
	lifetimes Lifetimes
}

// NewService computes tokens with a secret key that nothing else is computed with.
func NewService(db *pgxpool.Pool, key []byte, lives Lifetimes) *Service {
	return &Service{db, key, lives}
}

// maxPerHour is how many mails of one purpose an account gets in an hour, whoever asks for them.
const maxPerHour = 5

// CanIssue says whether an account may get one more mail of a purpose at the moment.
func (s *Service) CanIssue(ctx context.Context, tx pgx.Tx, who shop.UserID, purpose Purpose) (bool, error) {
	n, err := countSince(ctx, tx, who, purpose, time.Hour)
	return n < maxPerHour, err
}

// Issue makes a token for an account and the address it goes to; older ones of its purpose are superseded,
// and what is a month old is removed. The caller has locked the account's row, so that two do not issue at once.
func (s *Service) Issue(ctx context.Context, tx pgx.Tx, who shop.UserID, email string, purpose Purpose) (Request, error) {
	if err := errors.Join(deleteOld(ctx, tx, who), Revoke(ctx, tx, who, purpose)); err != nil {
		return Request{}, err
	}
	life := s.lifetimes.Verify
	if purpose == ResetPassword {
		life = s.lifetimes.Reset
	}
	id := shop.NewID()
	expires, err := insert(ctx, tx, id, who, email, purpose, fingerprint(token(s.key, id)), life)
	return Request{ID: id, ExpiresAt: expires}, err
}

// Redeem uses a token up. It fails with ErrToken, also for the second of two at once.
func (s *Service) Redeem(ctx context.Context, tx pgx.Tx, token string, purpose Purpose) (Proof, error) {
	return redeem(ctx, tx, fingerprint(token), purpose)
}

// Peek says what a token would prove and leaves it good. It fails with ErrToken.
func (s *Service) Peek(ctx context.Context, token string, purpose Purpose) (Proof, error) {
	return find(ctx, s.db, fingerprint(token), purpose)
}

// Reveal computes the token of a request, the same each time. It fails with ErrRequest or ErrClosed.
func (s *Service) Reveal(ctx context.Context, request uuid.UUID) (MailToken, error) {
	k, err := get(ctx, s.db, request)
	if err != nil {
		return MailToken{}, err
	}
	if !k.Open {
		return MailToken{}, ErrRequestClosed
	}
	return MailToken{Token: token(s.key, request), Purpose: k.Purpose, ExpiresAt: k.ExpiresAt}, nil
}
