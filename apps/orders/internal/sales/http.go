package sales

import (
	"context"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the route of the report.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "GET /orders/analytics", shop.SeeAnalytics, s.handleReport, web.NoStore,
		web.Doc("getSalesReport", "admin", "Report the sales"), web.Describe("By day and by product."))
}

func (s *Service) handleReport(ctx context.Context, _ shop.Caller, q Query) (SalesReport, error) {
	return s.Report(ctx, q)
}
