package payment

import (
	"context"
	"io"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the routes of provider webhooks and of discrepancies.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /payments/webhooks/{provider}", shop.Anyone, s.handleWebhook, web.NoStore,
		web.BodyLimit(256<<10), web.Fails(ErrUnknownProvider, ErrSignature),
		web.Doc("receivePaymentWebhook", "payments", "Receive a payment webhook"),
		web.Describe("For payment providers. The provider signs the body."))
	web.Handle(app, "GET /payments/discrepancies", shop.ManageOrders, s.handleDiscrepancies, web.NoStore,
		web.Doc("listPaymentDiscrepancies", "payments", "List payment discrepancies"),
		web.Describe("Where the provider's records and the shop's differ."))
	web.Handle(app, "POST /payments/discrepancies/{id}/refund", shop.ManageOrders, s.handleRefundDiscrepancy, web.NoStore,
		web.Fails(ErrDiscrepancyNotFound, ErrNotRefundable),
		web.Doc("refundPaymentDiscrepancy", "payments", "Refund a payment discrepancy"),
		web.Describe("Refunds a charge that belongs to no order, or to a cancelled one."))
}

type webhookInput struct {
	Provider  string   `path:"provider" example:"stripe" doc:"stripe or simulated."`
	Simulated string   `header:"Payment-Signature" doc:"Signature of the simulated provider."`
	Stripe    string   `header:"Stripe-Signature" doc:"Signature of Stripe."`
	Body      web.Body `body:"application/json"`
}

func (s *Service) handleWebhook(ctx context.Context, _ shop.Caller, in webhookInput) (web.None, error) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return web.None{}, err
	}
	signature := in.Simulated
	if in.Provider == "stripe" {
		signature = in.Stripe
	}
	return web.None{}, s.HandleWebhook(ctx, in.Provider, body, signature)
}

func (s *Service) handleDiscrepancies(
	ctx context.Context, _ shop.Caller, in web.PageQuery,
) (web.Page[PaymentDiscrepancy], error) {
	return s.ListDiscrepancies(ctx, in)
}

type discrepancyInput struct {
	ID int64 `path:"id" validate:"min=1"`
}

func (s *Service) handleRefundDiscrepancy(
	ctx context.Context, _ shop.Caller, in discrepancyInput,
) (PaymentDiscrepancy, error) {
	return s.RefundDiscrepancy(ctx, in.ID)
}
