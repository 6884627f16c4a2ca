package broadcast

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of broadcasts.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /notifications/broadcast", shop.ManageMessages, s.handleStart,
		web.Status(http.StatusAccepted), web.NoStore,
		web.Doc("startBroadcast", "admin", "Start a broadcast"),
		web.Describe("Notifies all users, or all users with a role. Continues in the background."))
	web.Handle(app, "GET /notifications/broadcast/{id}", shop.ManageMessages, s.handleGet, web.NoStore,
		web.Fails(ErrNotFound),
		web.Doc("getBroadcast", "admin", "Get the progress of a broadcast"))
}

func (s *Service) handleStart(ctx context.Context, caller shop.Caller, in NewBroadcast) (Broadcast, error) {
	return s.Start(ctx, caller.ID, in)
}

type idInput struct {
	ID uuid.UUID `path:"id"`
}

func (s *Service) handleGet(ctx context.Context, _ shop.Caller, in idInput) (Broadcast, error) {
	return s.Get(ctx, in.ID)
}
