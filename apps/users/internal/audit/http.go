package audit

import (
	"context"
	"time"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the audit's route.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "GET /audit", shop.ReadAudit, s.handleList, web.NoStore,
		web.Doc("listAuditEntries", "admin", "List the audit log"),
		web.Describe("Who did what, when and from where; newest first."))
}

// Filter selects entries. Empty fields match all. To is exclusive.
type Filter struct {
	UserID  shop.UserID `query:"user_id" validate:"omitempty"`
	ActorID shop.UserID `query:"actor_id" validate:"omitempty"`
	Action  Action      `query:"action" validate:"max=64"`
	From    *time.Time  `query:"from" validate:"omitempty" doc:"Start of the time range, inclusive."`
	To      *time.Time  `query:"to" validate:"omitempty" doc:"End of the time range, exclusive."`
}

type listInput struct {
	Filter
	web.PageQuery
}

func (s *Service) handleList(ctx context.Context, _ shop.Caller, in listInput) (web.Page[AuditEntry], error) {
	return s.List(ctx, in.Filter, in.PageQuery)
}
