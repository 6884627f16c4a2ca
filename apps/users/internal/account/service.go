package account

import (
	"context"
	"embed"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/event"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the accounts' tables.
var Migrations = postgres.Migrations{Name: "account", Files: postgres.Sub(files)}

// Service does what can be done with accounts.
type Service struct {
	db           *pgxpool.Pool
	passwords    *Passwords
	firstIsAdmin bool
}

// NewService works on an open database. With firstIsAdmin the first account of an empty platform becomes admin.
func NewService(db *pgxpool.Pool, passwords *Passwords, firstIsAdmin bool) *Service {
	return &Service{db, passwords, firstIsAdmin}
}

// Register opens an account and tells users.registered. It fails with ErrUsername, ErrEmail, ErrLongPass or ErrBusy.
func (s *Service) Register(ctx context.Context, in Registration) (a Account, err error) {
	hash, err := s.passwords.Hash(ctx, in.Password)
	if err != nil {
		return a, err
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		role := shop.User
		if s.firstIsAdmin {
			first, err := isFirst(ctx, tx)
			if err != nil {
				return err
			}
			if first {
				role = shop.Admin
			}
		}
		if a, err = insert(ctx, tx, in, hash, role); err != nil {
			return err
		}
		return event.Emit(ctx, tx, shop.UserRegistered{UserID: a.ID, Username: a.Username, Email: a.Email, FullName: a.FullName})
	})
	return a, err
}

// Authenticate finds the account of a username or e-mail address with its password. It fails with ErrCredentials, the
// same and as slowly whether the name, the password or the account's state is wrong, or with ErrBusy.
func (s *Service) Authenticate(ctx context.Context, name, password string) (Account, error) {
	found, err := credentials(ctx, s.db, name)
	if err != nil {
		return Account{}, err
	}
	if err := s.passwords.Check(ctx, found.PasswordHash, password); err != nil {
		return Account{}, err
	}
	if !found.Active {
		return Account{}, ErrCredentials
	}
	return found.Account, nil
}

// Get is one account. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, id shop.UserID) (Account, error) {
	return get(ctx, s.db, id)
}

// List is the accounts, the newest first.
func (s *Service) List(ctx context.Context, q web.PageQuery) (page web.Page[Account], err error) {
	before := lastID
	if err := q.Cursor.Into(&before); err != nil {
		return page, err
	}
	found, err := list(ctx, s.db, before, q.Limit+1)
	if err != nil {
		return page, err
	}
	return web.NewPage(found, q.Limit, func(a Account) any { return a.ID })
}

// Change gives an account another role, or closes and opens it. It fails with ErrNotFound or ErrLastAdmin.
func (s *Service) Change(ctx context.Context, id shop.UserID, in Change) (a Account, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := lockAdmins(ctx, tx); err != nil {
			return err
		}
		if a, err = update(ctx, tx, id, in); err != nil {
			return err
		}
		admins, err := countAdmins(ctx, tx)
		if err != nil {
			return err
		}
		if admins == 0 {
			return ErrLastAdmin
		}
		return nil
	})
	return a, err
}
