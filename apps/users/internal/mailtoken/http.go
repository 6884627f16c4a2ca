package mailtoken

import (
	"context"

	"github.com/google/uuid"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the internal route of the notifications service. The access list of the sidecars allows no other service.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /mail-tokens/{request_id}", shop.Anyone, s.handleReveal, web.Internal, web.NoStore,
		web.Fails(ErrRequestNotFound, ErrRequestClosed))
}

type requestInput struct {
	RequestID uuid.UUID `path:"request_id"`
}

func (s *Service) handleReveal(ctx context.Context, _ shop.Caller, in requestInput) (Token, error) {
	return s.Reveal(ctx, in.RequestID)
}
