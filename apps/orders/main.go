// Orders is the service of carts, orders, payments and their fulfilment.
package main

import (
	"context"
	"time"

	"sidecart/apps/orders/internal/cart"
	"sidecart/apps/orders/internal/fulfilment"
	"sidecart/apps/orders/internal/order"
	"sidecart/apps/orders/internal/payment"
	"sidecart/apps/orders/internal/sales"
	"sidecart/kit/auth"
	"sidecart/kit/event"
	"sidecart/kit/service"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

func main() { service.Main("orders", run) }

func run(ctx context.Context, s *service.Service) error {
	cfg := s.Env.Web("8003")
	providerName := s.Env.OneOf("PAYMENT_PROVIDER", "simulated", "simulated", "stripe")
	cartTTL := s.Env.Duration("CART_TTL", 30*24*time.Hour)
	times := fulfilmentTimes(s)
	if err := s.Connect(ctx); err != nil {
		return err
	}
	outbox, err := s.OpenDatabase(ctx, "orders-database-url", order.Migrations, sales.Migrations, payment.Migrations)
	if err != nil {
		return err
	}
	provider, err := newProvider(ctx, providerName, outbox.Pool, s.Sidecar)
	if err != nil {
		return err
	}
	app := s.NewApp(ctx, cfg, auth.NewFeed(s.Sidecar.InvokeWithoutBreaker))
	engine := fulfilment.Engine{Client: s.Sidecar.Workflows()}
	calls := order.NewCalls(s.Sidecar.Invoke)
	calls.Workflow, calls.StartRefund = engine.OrderWorkflow, engine.StartRefund
	orders := order.NewService(outbox, calls)
	sales.NewService(outbox.Pool, orders.Statuses).Routes(app)
	orders.Routes(app)
	carts := cart.NewService(outbox.Pool, cart.NewStore(s.Sidecar, cartTTL), cart.NewPrices(s.Sidecar.Invoke), orders)
	carts.Routes(app)
	payments := payment.NewService(outbox.Pool, provider, engine.Wake, orders.RefundFailed)
	payments.Routes(app)
	fulfilments := fulfilment.NewService(orders, payments, fulfilment.NewStock(s.Sidecar.Invoke), engine, times)
	hub := s.NewHub(sidecar.Endpoint{App: "users", Method: "POST", Path: event.ReplayPath})
	fulfilments.Subscribe(hub)
	carts.Subscribe(hub)
	s.Relay(s.Sidecar.Publish, true)
	s.Go(fulfilments.RunWorker)
	schedule(s, fulfilments)
	return s.Serve(ctx)
}

func fulfilmentTimes(s *service.Service) fulfilment.Times {
	return fulfilment.Times{
		Unpaid:  s.Env.Duration("UNPAID_ORDER_TTL", 30*time.Minute),
		Ship:    s.Env.Duration("AUTO_SHIP_AFTER", 0),
		Deliver: s.Env.Duration("AUTO_DELIVER_AFTER", 0),
		Retain:  s.Env.Duration("WORKFLOW_RETENTION", 10*time.Minute),
	}
}

func schedule(s *service.Service, fulfilments *fulfilment.Service) {
	s.Every("resume-stuck-orders", "@every "+fulfilment.RecoveryInterval.String(), func(ctx context.Context) error {
		return fulfilments.Recover(ctx, time.Now())
	}, web.Timeout(20*time.Second))
	s.Every("reconcile-payments", "@every 10m", func(ctx context.Context) error {
		return fulfilments.Reconcile(ctx, time.Now())
	}, web.Timeout(5*time.Minute))
}
