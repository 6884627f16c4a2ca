package notice

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/delivery"
	"sidecart/apps/notifications/internal/device"
	"sidecart/apps/notifications/internal/inbox"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// Subscribe hears what people are told of. Each event tells each of them once, however often it is delivered.
func (s *Service) Subscribe(h *event.Hub) {
	event.On(h, s.onRegistered)
	event.On(h, notifying(newDevice))
	event.On(h, notifying(verification))
	event.On(h, notifying(passwordReset))
	event.On(h, notifying(passwordChanged))
	event.On(h, notifying(locked))
	event.OnWithID(h, s.onProfileChanged)
	event.OnWithID(h, s.onRoleChanged)
	event.On(h, s.onErased)
	event.On(h, notifying(placed))
	event.On(h, notifying(paid))
	event.On(h, notifying(cancelled))
	event.On(h, notifying(shipped))
	event.On(h, notifying(delivered))
	event.On(h, notifying(refunded))
	event.On(h, notifying(paymentFailed))
	event.On(h, func(ctx context.Context, tx event.TX, e shop.StockLow) error {
		return notifyAdmins(ctx, tx, func(admin shop.UserID) Notice { return stockLow(admin, e) })
	})
	event.On(h, func(ctx context.Context, tx event.TX, e shop.StockOut) error {
		return notifyAdmins(ctx, tx, func(admin shop.UserID) Notice { return stockOut(admin, e) })
	})
	event.On(h, func(ctx context.Context, tx event.TX, e shop.StockBack) error {
		return NotifyAll(ctx, tx, e.UserIDs, func(reader shop.UserID) Notice { return stockBack(reader, e) })
	})
}

func notifying[E shop.Event](write func(E) Notice) func(context.Context, event.TX, E) error {
	return func(ctx context.Context, tx event.TX, e E) error { return Notify(ctx, tx, write(e)) }
}

func (s *Service) onRegistered(ctx context.Context, tx event.TX, e shop.UserRegistered) error {
	if err := contact.Register(ctx, tx, contactOf(e.UserID, e.Email, e.Username, e.FullName)); err != nil {
		return err
	}
	if err := delivery.MakeDue(ctx, tx, e.UserID); err != nil { // what was heard before this waits for it
		return err
	}
	return Notify(ctx, tx, welcome(e))
}

// onProfileChanged tells the address that is no longer used, so that its owner hears of it: of each change, also of one that is
// heard after a later one, as that says nothing of this address.
func (s *Service) onProfileChanged(ctx context.Context, tx event.TX, id uuid.UUID, e shop.ProfileChanged) error {
	if err := contact.Update(ctx, tx, id, contactOf(e.UserID, e.Email, e.Username, e.FullName)); err != nil {
		return err
	}
	if err := delivery.MakeDue(ctx, tx, e.UserID); err != nil || e.PreviousEmail == "" {
		return err
	}
	return Notify(ctx, tx, addressChanged(e))
}

func (s *Service) onRoleChanged(ctx context.Context, tx event.TX, id uuid.UUID, e shop.RoleChanged) error {
	return contact.UpdateRole(ctx, tx, id, e.UserID, e.Role)
}

// onErased forgets somebody: nothing that says who they were or what they were told stays, nor what could not be told.
func (s *Service) onErased(ctx context.Context, tx event.TX, e shop.UserErased) error {
	for _, forget := range []func(context.Context, pgx.Tx, shop.UserID) error{
		contact.Erase, preference.Purge, inbox.Purge, delivery.Purge, device.Purge, event.PurgeUser,
	} {
		if err := forget(ctx, tx, e.UserID); err != nil {
			return err
		}
	}
	return nil
}
