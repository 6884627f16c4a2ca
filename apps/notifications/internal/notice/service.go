package notice

import (
	"bytes"
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

// Tell puts notices into the inboxes of those they concern and plans their deliveries, as they want it, in a few round trips;
// whose account is erased is told nothing. It writes in the order of readers' ids, so that two of these never wait for each
// other. It fails with ErrNobody.
func Tell(ctx context.Context, tx event.TX, notices ...Notice) error {
	if len(notices) == 0 {
		return nil
	}
	slices.SortStableFunc(notices, func(a, b Notice) int { return bytes.Compare(a.UserID.UUID[:], b.UserID.UUID[:]) })
	people, err := audienceOf(ctx, tx, notices)
	if err != nil {
		return err
	}
	var messages []message.Notification
	var deliveries []delivery.Notice
	texts := template.NewWriter(tx)
	for _, n := range notices {
		reader, wants := people.readers[n.UserID], people.wants[n.UserID]
		if reader.Erased {
			continue
		}
		k, err := kind.Of(n.Kind)
		if err != nil {
			return err
		}
		if n.Facts.Name == "" {
			n.Facts.Name = plain(reader.Name())
		}
		id := message.ID{UUID: shop.NewID()}
		if wants.Wants(k, kind.InApp) {
			text, err := texts.Write(ctx, n.Kind, kind.InApp, wants.Language, n.Facts)
			if err != nil {
				return err
			}
			messages = append(messages, message.Notification{ID: id, UserID: n.UserID, Kind: n.Kind, Title: text.Title, Body: text.Body, Data: n.Data})
		}
		deliveries = append(deliveries, delivery.Notice{Delivery: n.delivery(id), Wants: wants, Devices: people.devices[n.UserID]})
	}
	if err := intoInboxes(ctx, tx, messages); err != nil {
		return err
	}
	return delivery.PlanFor(ctx, tx, deliveries...)
}

// audience is who is told, and how they want it.
type audience struct {
	readers map[shop.UserID]contact.Contact
	wants   map[shop.UserID]preference.Preferences
	devices map[shop.UserID]bool
}

// audienceOf fails with ErrNobody if a notice is for nobody.
func audienceOf(ctx context.Context, tx pgx.Tx, notices []Notice) (all audience, err error) {
	var users []uuid.UUID
	for _, n := range notices {
		if n.UserID.UUID == uuid.Nil {
			return all, ErrNobody
		}
		users = append(users, n.UserID.UUID)
	}
	users = slices.Compact(users)
	known := &pgx.Batch{}
	contact.Queue(known, users, &all.readers)
	preference.Queue(known, users, &all.wants)
	device.QueueAny(known, users, &all.devices)
	return all, tx.SendBatch(ctx, known).Close()
}

func (n Notice) delivery(id message.ID) delivery.Delivery {
	d := delivery.Delivery{
		MessageID: id.UUID, UserID: n.UserID, Kind: n.Kind, Facts: n.Facts, Path: n.Path, RequestID: n.RequestID, Address: n.Address,
	}
	if n.Data.OrderID != nil {
		d.OrderID = &n.Data.OrderID.UUID
	}
	return d
}

func intoInboxes(ctx context.Context, tx event.TX, messages []message.Notification) error {
	seqs, err := message.Insert(ctx, tx, messages...)
	if err != nil {
		return err
	}
	events := make([]shop.NotificationCreated, 0, len(seqs))
	for i, m := range messages {
		events = append(events, shop.NotificationCreated{NotificationID: m.ID.UUID, UserID: m.UserID, Seq: seqs[i]})
	}
	return event.EmitAll(ctx, tx, events)
}

// TellAll tells several people of one thing, each once.
func TellAll(ctx context.Context, tx event.TX, readers []shop.UserID, write func(shop.UserID) Notice) error {
	var notices []Notice
	seen := map[shop.UserID]bool{}
	for _, reader := range readers {
		if !seen[reader] {
			seen[reader] = true
			notices = append(notices, write(reader))
		}
	}
	return Tell(ctx, tx, notices...)
}

// mostAdmins are told of one thing.
const mostAdmins = 100

func tellAdmins(ctx context.Context, tx event.TX, write func(shop.UserID) Notice) error {
	admins, err := contact.After(ctx, tx, shop.Admin, shop.UserID{}, mostAdmins)
	if err != nil {
		return err
	}
	return TellAll(ctx, tx, admins, write)
}
