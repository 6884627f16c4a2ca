package notice

import (
	"context"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/delivery"
	"sidecart/apps/notifications/internal/inbox"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// UserData is all that this service holds of somebody.
type UserData struct {
	Email         string                 `json:"email"`
	Username      string                 `json:"username"`
	FullName      string                 `json:"full_name"`
	Preferences   preference.Preferences `json:"preferences"`
	Notifications []inbox.Notification   `json:"notifications"`
	Deliveries    []delivery.Delivery    `json:"deliveries"`
}

// Export is all that is held of somebody, for themselves.
func (s *Service) Export(ctx context.Context, user shop.UserID) (held UserData, err error) {
	known, err := contact.Get(ctx, s.db, user)
	if err != nil {
		return held, err
	}
	held.Email, held.Username, held.FullName = known.Email, known.Username, known.FullName
	if held.Preferences, err = preference.Get(ctx, s.db, user); err != nil {
		return held, err
	}
	if held.Notifications, err = inbox.All(ctx, s.db, user); err != nil {
		return held, err
	}
	held.Deliveries, err = delivery.All(ctx, s.db, user)
	return held, err
}

// Routes adds what others ask of somebody.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "GET /export/{user_id}", shop.Anyone, s.handleExport, web.Internal, web.NoStore)
}

type userInput struct {
	UserID shop.UserID `path:"user_id"`
}

func (s *Service) handleExport(ctx context.Context, _ shop.Caller, in userInput) (UserData, error) {
	return s.Export(ctx, in.UserID)
}
