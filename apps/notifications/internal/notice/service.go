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
	"sidecart/apps/notifications/internal/inbox"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// Service tells people.
type Service struct{ db *pgxpool.Pool }

// NewService tells people in a database that has the migrations of contact, delivery, device, message, preference and template.
func NewService(db *pgxpool.Pool) *Service { return &Service{db: db} }

// Notify puts notices into the inboxes of those they concern and plans their deliveries, as they want it, in a few round trips;
// whose account is erased is told nothing. It writes in the order of readers' ids, so that two of these never wait for each
// other. It fails with ErrNobody.
func Notify(ctx context.Context, tx event.TX, notices ...Notice) error {
	if len(notices) == 0 {
		return nil
	}
	slices.SortStableFunc(notices, func(a, b Notice) int { return bytes.Compare(a.UserID.UUID[:], b.UserID.UUID[:]) })
	people, err := recipientsOf(ctx, tx, notices)
	if err != nil {
		return err
	}
	var messages []inbox.Notification
	var deliveries []delivery.Request
	texts := template.NewRenderer(tx)
	for _, n := range notices {
		reader, wants := people.contacts[n.UserID], people.preferences[n.UserID]
		if reader.Erased {
			continue
		}
		k, err := kind.Of(n.Kind)
		if err != nil {
			return err
		}
		if n.Variables.Name == "" {
			n.Variables.Name = inline(reader.Name())
		}
		id := inbox.ID{UUID: shop.NewID()}
		if wants.Wants(k, kind.InApp) {
			text, err := texts.Render(ctx, n.Kind, kind.InApp, wants.Language, n.Variables)
			if err != nil {
				return err
			}
			messages = append(messages, inbox.Notification{ID: id, UserID: n.UserID, Kind: n.Kind, Title: text.Title, Body: text.Body, Data: n.Data})
		}
		deliveries = append(deliveries, delivery.Request{Job: n.job(id), Preferences: wants, HasDevices: people.devices[n.UserID]})
	}
	if err := addToInboxes(ctx, tx, messages); err != nil {
		return err
	}
	return delivery.Enqueue(ctx, tx, deliveries...)
}

// recipients is who is told, and how they want it.
type recipients struct {
	contacts    map[shop.UserID]contact.Contact
	preferences map[shop.UserID]preference.Preferences
	devices     map[shop.UserID]bool
}

// recipientsOf fails with ErrNobody if a notice is for nobody.
func recipientsOf(ctx context.Context, tx pgx.Tx, notices []Notice) (all recipients, err error) {
	var users []uuid.UUID
	for _, n := range notices {
		if n.UserID.UUID == uuid.Nil {
			return all, ErrNoUser
		}
		users = append(users, n.UserID.UUID)
	}
	users = slices.Compact(users)
	known := &pgx.Batch{}
	contact.Queue(known, users, &all.contacts)
	preference.Queue(known, users, &all.preferences)
	device.QueueAny(known, users, &all.devices)
	return all, tx.SendBatch(ctx, known).Close()
}

func (n Notice) job(id inbox.ID) delivery.Job {
	d := delivery.Job{
		NotificationID: id.UUID, UserID: n.UserID, Kind: n.Kind, Variables: n.Variables, Path: n.Path, RequestID: n.RequestID, Address: n.Address,
	}
	if n.Data.OrderID != nil {
		d.OrderID = &n.Data.OrderID.UUID
	}
	return d
}

func addToInboxes(ctx context.Context, tx event.TX, messages []inbox.Notification) error {
	seqs, err := inbox.Insert(ctx, tx, messages...)
	if err != nil {
		return err
	}
	events := make([]shop.NotificationCreated, 0, len(seqs))
	for i, m := range messages {
		events = append(events, shop.NotificationCreated{NotificationID: m.ID.UUID, UserID: m.UserID, Seq: seqs[i]})
	}
	return event.EmitAll(ctx, tx, events)
}

// NotifyAll tells several people of one thing, each once.
func NotifyAll(ctx context.Context, tx event.TX, readers []shop.UserID, write func(shop.UserID) Notice) error {
	var notices []Notice
	seen := map[shop.UserID]bool{}
	for _, reader := range readers {
		if !seen[reader] {
			seen[reader] = true
			notices = append(notices, write(reader))
		}
	}
	return Notify(ctx, tx, notices...)
}

// maxAdmins are told of one thing.
const maxAdmins = 100

func notifyAdmins(ctx context.Context, tx event.TX, write func(shop.UserID) Notice) error {
	admins, err := contact.After(ctx, tx, shop.Admin, shop.UserID{}, maxAdmins)
	if err != nil {
		return err
	}
	return NotifyAll(ctx, tx, admins, write)
}
