package inbox

import (
	"context"
	"time"

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

// NotificationPage is a page of somebody's messages, newest first, and how many of all of them are unread.
type NotificationPage struct {
	web.Page[Notification]
	Unread int `json:"unread"`
}

// List shows somebody's own messages, only the unread ones if asked. A page does not change because messages come in
// while it is read: they are newer than its start.
func (s *Service) List(ctx context.Context, owner shop.UserID, unreadOnly bool, page web.PageQuery) (NotificationPage, error) {
	messages, err := web.PageOf(page, ID{uuid.Max}, func(before ID, most int) ([]Notification, error) {
		return list(ctx, s.db, owner, unreadOnly, before, most)
	}, func(m Notification) ID { return m.ID })
	if err != nil {
		return NotificationPage{}, err
	}
	unread, err := countUnread(ctx, s.db, owner)
	return NotificationPage{Page: messages, Unread: unread}, err
}

// MarkRead marks one of somebody's own messages as read; doing it again leaves the first time. It fails with ErrNotFound,
// also for a message of somebody else.
func (s *Service) MarkRead(ctx context.Context, owner shop.UserID, id ID) (m Notification, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		m, err = markRead(ctx, tx, owner, id)
		return err
	})
	return m, err
}

// MarkAllRead marks all of somebody's messages as read and returns how many were not.
func (s *Service) MarkAllRead(ctx context.Context, owner shop.UserID) (marked int, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		marked, err = markAllRead(ctx, tx, owner)
		return err
	})
	return marked, err
}

// Feed is what came into an inbox after a message, or after a number if there is no such message; after neither it is empty
// and says where the inbox ends now. It holds at most 100; whoever wants more asks again.
func (s *Service) Feed(ctx context.Context, owner shop.UserID, afterID ID, afterSeq *int64) (InboxFeed, error) {
	var seq int64
	var err error
	if afterSeq != nil {
		seq = *afterSeq
	} else if seq, err = sequenceOf(ctx, s.db, owner, afterID); err != nil {
		return InboxFeed{}, err
	}
	messages, err := after(ctx, s.db, owner, seq, 100)
	feed := InboxFeed{Items: []FeedEntry{}, Seq: seq}
	for _, m := range messages {
		feed.Items = append(feed.Items, FeedEntry{m.Seq, m})
		feed.Seq = m.Seq
	}
	return feed, err
}

// Day is how many messages of a kind came into inboxes on one day (UTC), and how many of them were opened.
type Day struct {
	Day    string
	Kind   string
	Sent   int
	Opened int
}

// Days are the days from one to another, the newest first.
func (s *Service) Days(ctx context.Context, from, until time.Time) ([]Day, error) {
	return days(ctx, s.db, from, until)
}
