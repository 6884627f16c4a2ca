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

// UserData is the personal data that this service stores about a user.
type UserData struct {
	Email         string                 `json:"email"`
	Username      string                 `json:"username"`
	FullName      string                 `json:"full_name"`
	Preferences   preference.Preferences `json:"preferences"`
	Notifications []inbox.Notification   `json:"notifications"`
	Deliveries    []delivery.Delivery    `json:"deliveries"`
}

// Export returns the personal data of a user.
func (s *Service) Export(ctx context.Context, user shop.UserID) (data UserData, err error) {
	c, err := contact.Get(ctx, s.db, user)
	if err != nil {
		return data, err
	}
	data.Email, data.Username, data.FullName = c.Email, c.Username, c.FullName
	if data.Preferences, err = preference.Get(ctx, s.db, user); err != nil {
		return data, err
	}
	if data.Notifications, err = inbox.All(ctx, s.db, user); err != nil {
		return data, err
	}
	data.Deliveries, err = delivery.All(ctx, s.db, user)
	return data, err
}

// Routes adds the export of personal data, which the users service invokes.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "GET /export/{user_id}", shop.Anyone, s.handleExport, web.Internal, web.NoStore)
}

type userInput struct {
	UserID shop.UserID `path:"user_id"`
}

func (s *Service) handleExport(ctx context.Context, _ shop.Caller, in userInput) (UserData, error) {
	return s.Export(ctx, in.UserID)
}
