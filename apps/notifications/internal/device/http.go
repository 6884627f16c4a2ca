package device

import (
	"context"

	"github.com/google/uuid"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of devices.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "GET /notifications/devices", shop.SignedIn, s.handleList, web.NoStore,
		web.Doc("listDevices", "notifications", "List your devices"),
		web.Describe("Browsers that receive push messages, and the server key to subscribe another."))
	web.Handle(app, "POST /notifications/devices", shop.SignedIn, s.handleAdd, web.Created, web.NoStore,
		web.Fails(ErrTooMany),
		web.Doc("addDevice", "notifications", "Add a device"),
		web.Describe("Takes the subscription that PushManager.subscribe returns."))
	web.Handle(app, "DELETE /notifications/devices/{id}", shop.SignedIn, s.handleRemove, web.NoStore,
		web.Fails(ErrNotFound),
		web.Doc("removeDevice", "notifications", "Remove a device"))
}

func (s *Service) handleList(ctx context.Context, caller shop.Caller, _ web.None) (DeviceList, error) {
	return s.List(ctx, caller.ID)
}

func (s *Service) handleAdd(ctx context.Context, caller shop.Caller, in NewDevice) (Device, error) {
	return s.Add(ctx, caller.ID, in)
}

type idInput struct {
	ID uuid.UUID `path:"id"`
}

func (s *Service) handleRemove(ctx context.Context, caller shop.Caller, in idInput) (web.None, error) {
	return web.None{}, s.Remove(ctx, caller.ID, in.ID)
}
