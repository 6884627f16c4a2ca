package message

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Service keeps the inboxes.
type Service struct{ db *pgxpool.Pool }

// NewService keeps inboxes in a database that has Migrations and those of kit/event.
func NewService(db *pgxpool.Pool) *Service { return &Service{db: db} }

// Inbox is a page of somebody's messages, newest first, and how many of all of them are unread.
type Inbox struct {
	web.Page[Message]
	Unread int `json:"unread"`
}

// Inbox shows somebody's own messages, only the unread ones if asked. A page does not change because messages come in
// while it is read: they are newer than its start.
func (s *Service) Inbox(ctx context.Context, owner shop.UserID, unreadOnly bool, page web.PageQuery) (Inbox, error) {
	before := ID{uuid.Max}
	if err := page.Cursor.Into(&before); err != nil {
		return Inbox{}, err
	}
	messages, err := list(ctx, s.db, owner, unreadOnly, before, page.Limit+1)
	if err != nil {
		return Inbox{}, err
	}
	unread, err := countUnread(ctx, s.db, owner)
	if err != nil {
		return Inbox{}, err
	}
	items, err := web.NewPage(messages, page.Limit, func(m Message) any { return m.ID })
	return Inbox{Page: items, Unread: unread}, err
}

// Read marks one of somebody's own messages as read; doing it again leaves the first time. It fails with ErrNotFound,
// also for a message of somebody else.
func (s *Service) Read(ctx context.Context, owner shop.UserID, id ID) (m Message, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		m, err = markRead(ctx, tx, owner, id)
		return err
	})
	return m, err
}

// ReadAll marks all of somebody's messages as read and returns how many were not.
func (s *Service) ReadAll(ctx context.Context, owner shop.UserID) (marked int, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		marked, err = markAllRead(ctx, tx, owner)
		return err
	})
	return marked, err
}

// tell puts a message into an inbox, in the transaction in which its event is heard. It fails with ErrNobody.
func tell(ctx context.Context, tx pgx.Tx, m Message) error {
	if m.UserID.UUID == uuid.Nil {
		return ErrNobody
	}
	return insert(ctx, tx, m)
}
