package notice

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/delivery"
	"sidecart/apps/notifications/internal/device"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/message"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// Service tells people.
type Service struct{ db *pgxpool.Pool }

// NewService tells people in a database that has the migrations of contact, delivery, device, message, preference and template.
func NewService(db *pgxpool.Pool) *Service { return &Service{db: db} }

// Tell puts a notice into the inbox of whoever it concerns and plans its deliveries, as they want it; whose account is
// erased is told nothing. It fails with ErrNobody.
func Tell(ctx context.Context, tx pgx.Tx, n Notice) error {
	if n.UserID.UUID == uuid.Nil {
		return ErrNobody
	}
	k, err := kind.Of(n.Kind)
	if err != nil {
		return err
	}
	reader, err := contact.Get(ctx, tx, n.UserID)
	if err != nil || reader.Erased {
		return err
	}
	wants, err := preference.Of(ctx, tx, n.UserID)
	if err != nil {
		return err
	}
	if n.Facts.Name == "" {
		n.Facts.Name = plain(reader.Name())
	}
	id := message.ID{UUID: shop.NewID()}
	if wants.Wants(k, kind.InApp) {
		if err := intoInbox(ctx, tx, id, n, wants.Language); err != nil {
			return err
		}
	}
	devices, err := device.Any(ctx, tx, n.UserID)
	if err != nil {
		return err
	}
	return delivery.PlanFor(ctx, tx, delivery.Delivery{
		MessageID: id.UUID, UserID: n.UserID, Kind: n.Kind, Facts: n.Facts, Path: n.Path, RequestID: n.RequestID, Address: n.Address,
	}, wants, devices)
}

func intoInbox(ctx context.Context, tx pgx.Tx, id message.ID, n Notice, language template.Language) error {
	text, err := template.Write(ctx, tx, n.Kind, kind.InApp, language, n.Facts)
	if err != nil {
		return err
	}
	seq, err := message.Insert(ctx, tx, message.Message{ID: id, UserID: n.UserID, Kind: n.Kind, Title: text.Title, Body: text.Body, Data: n.Data})
	if err != nil {
		return err
	}
	return event.Emit(ctx, tx, shop.NotificationCreated{NotificationID: id.UUID, UserID: n.UserID, Seq: seq})
}

// tellAll tells several people of one thing, in the order of their ids, so that two of these never wait for each other.
func tellAll(ctx context.Context, tx pgx.Tx, readers []shop.UserID, write func(shop.UserID) Notice) error {
	slices.SortFunc(readers, func(a, b shop.UserID) int { return cmp.Compare(a.String(), b.String()) })
	for _, reader := range slices.Compact(readers) {
		if err := Tell(ctx, tx, write(reader)); err != nil {
			return err
		}
	}
	return nil
}

// mostAdmins are told of one thing.
const mostAdmins = 100

func tellAdmins(ctx context.Context, tx pgx.Tx, write func(shop.UserID) Notice) error {
	admins, err := contact.After(ctx, tx, shop.Admin, shop.UserID{}, mostAdmins)
	if err != nil {
		return err
	}
	return tellAll(ctx, tx, admins, write)
}
