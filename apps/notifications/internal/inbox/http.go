package inbox

import (
	"context"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of the inbox, and the feed for the gateway's streams.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "GET /notifications", shop.SignedIn, s.handleList, web.NoStore,
		web.Doc("listNotifications", "notifications", "List your notifications"),
		web.Describe("Newest first, with the number of unread ones."))
	web.Handle(app, "POST /notifications/{id}/read", shop.SignedIn, s.handleRead, web.NoStore, web.Fails(ErrNotFound),
		web.Doc("readNotification", "notifications", "Mark a notification as read"))
	web.Handle(app, "POST /notifications/read-all", shop.SignedIn, s.handleReadAll, web.NoStore,
		web.Doc("readAllNotifications", "notifications", "Mark all notifications as read"))
	web.Handle(app, "GET /feeds/{user_id}", shop.Anyone, s.handleFeed, web.Internal, web.NoStore)
}

type listQuery struct {
	web.PageQuery
	Unread bool `query:"unread" doc:"Unread notifications only."`
}

func (s *Service) handleList(ctx context.Context, caller shop.Caller, in listQuery) (NotificationPage, error) {
	return s.List(ctx, caller.ID, in.Unread, in.PageQuery)
}

type idInput struct {
	ID ID `path:"id"`
}

func (s *Service) handleRead(ctx context.Context, caller shop.Caller, in idInput) (Notification, error) {
	return s.MarkRead(ctx, caller.ID, in.ID)
}

// readAllResult is how many notifications were marked as read.
type readAllResult struct {
	Marked int `json:"marked"` // the number that were unread
}

func (s *Service) handleReadAll(ctx context.Context, caller shop.Caller, _ web.None) (readAllResult, error) {
	n, err := s.MarkAllRead(ctx, caller.ID)
	return readAllResult{n}, err
}

type feedQuery struct {
	UserID shop.UserID `path:"user_id"`
	After  ID          `query:"after"`
	Seq    *int64      `query:"seq" validate:"omitempty,min=0"`
}

func (s *Service) handleFeed(ctx context.Context, _ shop.Caller, in feedQuery) (InboxFeed, error) {
	return s.Feed(ctx, in.UserID, in.After, in.Seq)
}
