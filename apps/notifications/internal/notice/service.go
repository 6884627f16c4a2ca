package notice

import (
	"bytes"
	"cmp"
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

// Service consumes events and notifies users.
type Service struct{ db *pgxpool.Pool }

// NewService needs a database with the migrations of contact, delivery, device, inbox, preference and template.
func NewService(db *pgxpool.Pool) *Service { return &Service{db: db} }

// Notify adds notices to the inboxes of their users and enqueues their deliveries, as the users' preferences select, in
// a few round trips. It skips users whose account is erased. It writes in the order of user ids, so that two
// transactions do not deadlock. It fails with ErrNoUser.
func Notify(ctx context.Context, tx event.TX, notices ...Notice) error {
	if len(notices) == 0 {
		return nil
	}
	slices.SortStableFunc(notices, func(a, b Notice) int { return bytes.Compare(a.UserID.UUID[:], b.UserID.UUID[:]) })
	users, err := recipientsOf(ctx, tx, notices)
	if err != nil {
		return err
	}
	var notifications []inbox.Notification
	var requests []delivery.Request
	texts := template.NewRenderer(tx)
	for _, n := range notices {
		user, p := users.contacts[n.UserID], users.preferences[n.UserID]
		if user.Erased {
			continue
		}
		k, err := kind.Of(n.Kind)
		if err != nil {
			return err
		}
		n.Variables.Name = cmp.Or(n.Variables.Name, inline(user.Name()))
		id := inbox.ID{UUID: shop.NewID()}
		if p.Wants(k, kind.InApp) {
			at := template.Selector{Kind: n.Kind, Channel: kind.InApp, Language: p.Language}
			text, err := texts.Render(ctx, at, n.Variables)
			if err != nil {
				return err
			}
			notifications = append(notifications, inbox.Notification{
				ID: id, UserID: n.UserID, Kind: n.Kind, Title: text.Title, Body: text.Body, Data: n.Data,
			})
		}
		requests = append(requests, delivery.Request{Job: n.job(id), Preferences: p, HasDevices: users.devices[n.UserID]})
	}
	if err := addToInboxes(ctx, tx, notifications); err != nil {
		return err
	}
	return delivery.Enqueue(ctx, tx, requests...)
}

// recipients has what is stored about users.
type recipients struct {
	contacts    map[shop.UserID]contact.Contact
	preferences map[shop.UserID]preference.Preferences
	devices     map[shop.UserID]bool
}

// recipientsOf fails with ErrNoUser if a notice has no user.
func recipientsOf(ctx context.Context, tx pgx.Tx, notices []Notice) (r recipients, err error) {
	var users []uuid.UUID
	for _, n := range notices {
		if n.UserID.UUID == uuid.Nil {
			return r, ErrNoUser
		}
		users = append(users, n.UserID.UUID)
	}
	users = slices.Compact(users)
	batch := &pgx.Batch{}
	contact.Queue(batch, users, &r.contacts)
	preference.Queue(batch, users, &r.preferences)
	device.QueueAny(batch, users, &r.devices)
	return r, tx.SendBatch(ctx, batch).Close()
}

func (n Notice) job(id inbox.ID) delivery.Job {
	j := delivery.Job{
		NotificationID: id.UUID, UserID: n.UserID, Kind: n.Kind, Variables: n.Variables, Path: n.Path,
		RequestID: n.RequestID, Address: n.Address,
	}
	if n.Data.OrderID != nil {
		j.OrderID = &n.Data.OrderID.UUID
	}
	return j
}

func addToInboxes(ctx context.Context, tx event.TX, notifications []inbox.Notification) error {
	seqs, err := inbox.Insert(ctx, tx, notifications...)
	if err != nil {
		return err
	}
	events := make([]shop.NotificationCreated, 0, len(seqs))
	for i, n := range notifications {
		events = append(events, shop.NotificationCreated{NotificationID: n.ID.UUID, UserID: n.UserID, Seq: seqs[i]})
	}
	return event.EmitAll(ctx, tx, events)
}

// NotifyAll notifies several users, each once.
func NotifyAll(ctx context.Context, tx event.TX, users []shop.UserID, newNotice func(shop.UserID) Notice) error {
	var notices []Notice
	seen := map[shop.UserID]bool{}
	for _, user := range users {
		if !seen[user] {
			seen[user] = true
			notices = append(notices, newNotice(user))
		}
	}
	return Notify(ctx, tx, notices...)
}

// maxAdmins that are notified of an event.
const maxAdmins = 100

func notifyAdmins(ctx context.Context, tx event.TX, newNotice func(shop.UserID) Notice) error {
	admins, err := contact.After(ctx, tx, shop.Admin, shop.UserID{}, maxAdmins)
	if err != nil {
		return err
	}
	return NotifyAll(ctx, tx, admins, newNotice)
}
