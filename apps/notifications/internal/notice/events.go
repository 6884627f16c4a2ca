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

// Subscribe subscribes to the events that notify users. Each event notifies a user once, however often it is delivered.
func (s *Service) Subscribe(h *event.Hub) {
	event.On(h, s.onRegistered)
	event.On(h, notifying(newDevice))
	event.On(h, notifying(verification))
	event.On(h, notifying(passwordReset))
	event.On(h, notifying(passwordChanged))
	event.On(h, notifying(locked))
	event.OnWithID(h, s.onVerified)
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
		return NotifyAll(ctx, tx, e.UserIDs, func(user shop.UserID) Notice { return stockBack(user, e) })
	})
}

func notifying[E shop.Event](newNotice func(E) Notice) func(context.Context, event.TX, E) error {
	return func(ctx context.Context, tx event.TX, e E) error { return Notify(ctx, tx, newNotice(e)) }
}

func (s *Service) onRegistered(ctx context.Context, tx event.TX, e shop.UserRegistered) error {
	if err := contact.Register(ctx, tx, contactOf(e.UserID, e.Email, e.Username, e.FullName)); err != nil {
		return err
	}
	if err := delivery.MakeDue(ctx, tx, e.UserID); err != nil { // jobs of events that were consumed earlier wait for this
		return err
	}
	return Notify(ctx, tx, welcome(e))
}

// onVerified ignores an event of a version without an address.
func (s *Service) onVerified(ctx context.Context, tx event.TX, id uuid.UUID, e shop.UserVerified) error {
	if e.Email == "" {
		return nil
	}
	return contact.Verify(ctx, tx, id, e.UserID, singleLine(e.Email))
}

// onProfileChanged notifies the previous e-mail address, so that its owner is informed. It does so for each
// change, also for one that is consumed after a later one.
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

// onErased removes the personal data of a user, also from dead letters.
func (s *Service) onErased(ctx context.Context, tx event.TX, e shop.UserErased) error {
	for _, purge := range []func(context.Context, pgx.Tx, shop.UserID) error{
		contact.Erase, preference.Purge, inbox.Purge, delivery.Purge, device.Purge, event.PurgeUser,
	} {
		if err := purge(ctx, tx, e.UserID); err != nil {
			return err
		}
	}
	return nil
}
