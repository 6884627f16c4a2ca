package account

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/lockout"
	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// View returns an account to an admin and records that in the audit. It fails with ErrNotFound.
func (s *Service) View(ctx context.Context, caller shop.Caller, id shop.UserID, from audit.Origin) (Account, error) {
	a, err := s.Get(ctx, id)
	if err != nil || id == caller.ID {
		return a, err
	}
	return a, s.record(ctx, audit.Entry{Action: audit.ViewedByAdmin, Actor: caller.ID, User: id, From: from})
}

// record records an action that changes nothing in the database.
func (s *Service) record(ctx context.Context, e audit.Entry) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return audit.Record(ctx, tx, e) })
}

// Update changes the role of an account, or closes or opens it. Its sessions end if their tokens have another role or
// the account is closed. It fails with ErrNotFound or ErrLastAdmin.
func (s *Service) Update(
	ctx context.Context, caller shop.Caller, id shop.UserID, in UserUpdate, from audit.Origin,
) (a Account, err error) {
	err = s.db.Tx(ctx, func(tx event.TX) error {
		if err := lockAdmins(ctx, tx); err != nil {
			return err
		}
		before, err := lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if a, err = updateAccount(ctx, tx, id, in); err != nil {
			return err
		}
		if err := requireAdmin(ctx, tx, before.Account); err != nil {
			return err
		}
		return s.publishUpdate(ctx, tx, before.Account, a, audit.Entry{Actor: caller.ID, User: id, From: from})
	})
	return a, err
}

// requireAdmin fails with ErrLastAdmin if the change of an admin leaves no other.
func requireAdmin(ctx context.Context, tx pgx.Tx, before Account) error {
	if before.Role != shop.Admin || !before.Active {
		return nil
	}
	admins, err := countAdmins(ctx, tx)
	if err == nil && admins == 0 {
		return ErrLastAdmin
	}
	return err
}

// publishUpdate ends sessions, publishes events and records the actions of an update.
func (s *Service) publishUpdate(ctx context.Context, tx event.TX, before, after Account, entry audit.Entry) error {
	var entries []audit.Entry
	if before.Role != after.Role {
		if err := s.Sessions.End(ctx, tx, after.ID, uuid.Nil, "role changed"); err != nil {
			return err
		}
		if err := event.Emit(ctx, tx, shop.RoleChanged{UserID: after.ID, Role: after.Role}); err != nil {
			return err
		}
		e := entry
		e.Action = audit.RoleChanged
		e.Details = map[string]string{"from": string(before.Role), "to": string(after.Role)}
		entries = append(entries, e)
	}
	if before.Active != after.Active {
		entry.Action = audit.Opened
		if !after.Active {
			entry.Action = audit.Closed
			if err := s.Sessions.End(ctx, tx, after.ID, uuid.Nil, "account closed"); err != nil {
				return err
			}
		}
		entries = append(entries, entry)
	}
	for _, e := range entries { // last, because of the lock that audit.Record takes
		if err := audit.Record(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

// Unlock removes the lockout of an account. It fails with ErrNotFound.
func (s *Service) Unlock(ctx context.Context, caller shop.Caller, id shop.UserID, from audit.Origin) error {
	a, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := s.Lockouts.Reset(ctx, lockout.Account(a.ID)); err != nil {
		return err
	}
	return s.record(ctx, audit.Entry{Action: audit.Unlocked, Actor: caller.ID, User: id, From: from})
}
