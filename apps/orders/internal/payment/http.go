package payment

import (
	"cmp"
	"context"
	"io"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the door for providers' messages, and what an operator sees.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "POST /payments/webhooks/{provider}", shop.Anyone, s.handleHear, web.NoStore,
		web.BodyLimit(256<<10), web.Fails(ErrNoProvider, ErrSignature),
		web.Doc("receivePaymentWebhook", "payments", "Receive a payment webhook"),
		web.Describe("For payment providers. The provider signs the body."))
	web.Handle(app, "GET /payments/findings", shop.ManageOrders, s.handleFindings, web.NoStore,
		web.Doc("listPaymentDiscrepancies", "payments", "List payment discrepancies"),
		web.Describe("Where the provider's records and the shop's differ."))
	web.Handle(app, "POST /payments/findings/{id}/give-back", shop.ManageOrders, s.handleGiveBack, web.NoStore,
		web.Fails(ErrNoFinding, ErrNotTaken),
		web.Doc("refundPaymentDiscrepancy", "payments", "Refund a payment discrepancy"),
		web.Describe("Refunds a charge that belongs to no order, or to a cancelled one."))
}

type hearInput struct {
	Provider  string   `path:"provider"`
	Simulated string   `header:"Payment-Signature"`
	Stripe    string   `header:"Stripe-Signature"`
	Body      web.Body `body:"application/json"`
}

func (s *Service) handleHear(ctx context.Context, _ shop.Caller, in hearInput) (web.None, error) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return web.None{}, err
	}
	return web.None{}, s.Hear(ctx, in.Provider, body, cmp.Or(in.Stripe, in.Simulated))
}

func (s *Service) handleFindings(ctx context.Context, _ shop.Caller, in web.PageQuery) (web.Page[PaymentDiscrepancy], error) {
	return s.Findings(ctx, in)
}

type findingInput struct {
	ID int64 `path:"id" validate:"min=1"`
}

func (s *Service) handleGiveBack(ctx context.Context, _ shop.Caller, in findingInput) (PaymentDiscrepancy, error) {
	return s.GiveBack(ctx, in.ID)
}
