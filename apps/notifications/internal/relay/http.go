package relay

import (
	"context"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the relay's one route to an app.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /mails", shop.Anyone, s.handleSend, web.Internal, web.NoStore,
		web.Fails(ErrRefused, ErrPutOff, ErrSilent), web.Doc("Send a mail, now; answers what the mail server said"))
}

func (s *Service) handleSend(ctx context.Context, _ shop.Caller, in Mail) (Receipt, error) {
	return s.Send(ctx, in)
}
