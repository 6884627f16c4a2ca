package inbox

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Service manages the inboxes.
type Service struct{ db *pgxpool.Pool }

// NewService needs a database with Migrations.
func NewService(db *pgxpool.Pool) *Service { return &Service{db: db} }

// List lists the notifications of a user, newest first. New notifications do not move those on later pages.
func (s *Service) List(
	ctx context.Context, owner shop.UserID, unreadOnly bool, query web.PageQuery,
) (NotificationPage, error) {
	page, err := web.PageOf(query, ID{uuid.Max}, func(before ID, limit int) ([]Notification, error) {
		return list(ctx, s.db, owner, unreadOnly, before, limit)
	}, func(n Notification) ID { return n.ID })
	if err != nil {
		return NotificationPage{}, err
	}
	unread, err := countUnread(ctx, s.db, owner)
	return NotificationPage{Page: page, Unread: unread}, err
}

// MarkRead marks a notification of a user as read; a second call keeps the first time. It fails with ErrNotFound.
func (s *Service) MarkRead(ctx context.Context, owner shop.UserID, id ID) (Notification, error) {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) (Notification, error) { return markRead(ctx, tx, owner, id) })
}

// MarkAllRead marks the notifications of a user as read, and returns how many were unread.
func (s *Service) MarkAllRead(ctx context.Context, owner shop.UserID) (int, error) {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) (int, error) { return markAllRead(ctx, tx, owner) })
}

const feedSize = 100

// Feed returns at most feedSize notifications after a number, or after a notification if afterSeq is nil. After a
// number beyond the last, and if there is no such notification, the feed is empty, and Seq is the last number of the
// inbox.
func (s *Service) Feed(ctx context.Context, owner shop.UserID, afterID ID, afterSeq *int64) (InboxFeed, error) {
	seq, err := position(ctx, s.db, owner, afterID, afterSeq)
	if err != nil {
		return InboxFeed{}, err
	}
	notifications, err := after(ctx, s.db, owner, seq, feedSize)
	feed := InboxFeed{Items: []FeedEntry{}, Seq: seq}
	for _, n := range notifications {
		feed.Items = append(feed.Items, FeedEntry{n.Seq, n})
		feed.Seq = n.Seq
	}
	return feed, err
}
