package account

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/users/internal/audit"
	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// View is one account as an admin sees it, which the audit keeps. It fails with ErrNotFound.
func (s *Service) View(ctx context.Context, who shop.Caller, id shop.UserID, from audit.Origin) (a Account, err error) {
	if a, err = s.Get(ctx, id); err != nil || id == who.ID {
		return a, err
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		return audit.Record(ctx, tx, audit.Entry{Action: audit.ViewedByAdmin, Actor: who.ID, User: id, From: from})
	})
	return a, err
}

// Update gives an account another role, or closes and opens it; its sessions end where it may do less, or other things,
// than their tokens say. It fails with ErrNotFound or ErrLastAdmin.
func (s *Service) Update(ctx context.Context, who shop.Caller, id shop.UserID, in UserUpdate, from audit.Origin) (a Account, err error) {
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
		return s.publishUpdate(ctx, tx, who, before.Account, a, from)
	})
	return a, err
}

// requireAdmin fails with ErrLastAdmin where what was done to an admin leaves none.
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

// publishUpdate ends sessions and tells what an admin's change means.
func (s *Service) publishUpdate(ctx context.Context, tx event.TX, who shop.Caller, before, after Account, from audit.Origin) error {
	entry := audit.Entry{Actor: who.ID, User: after.ID, From: from}
	var entries []audit.Entry
	if before.Role != after.Role {
		if err := s.Sessions.End(ctx, tx, after.ID, uuid.Nil, "role changed"); err != nil {
			return err
		}
		if err := event.Emit(ctx, tx, shop.RoleChanged{UserID: after.ID, Role: after.Role}); err != nil {
			return err
		}
		entry.Action, entry.Details = audit.RoleChanged, map[string]string{"from": string(before.Role), "to": string(after.Role)}
		entries = append(entries, entry)
	}
	if before.Active != after.Active {
		entry.Action, entry.Details = audit.Opened, nil
		if !after.Active {
			entry.Action = audit.Closed
			if err := s.Sessions.End(ctx, tx, after.ID, uuid.Nil, "account closed"); err != nil {
				return err
			}
		}
		entries = append(entries, entry)
	}
	for _, e := range entries {
		if err := audit.Record(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

// Unlock lifts the lock of an account's names and forgets its failed sign-ins. It fails with ErrNotFound.
func (s *Service) Unlock(ctx context.Context, who shop.Caller, id shop.UserID, from audit.Origin) error {
	a, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := s.Lockouts.Reset(ctx, canonical(a.Username), canonical(a.Email)); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		return audit.Record(ctx, tx, audit.Entry{Action: audit.Unlocked, Actor: who.ID, User: id, From: from})
	})
}
