package payment

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Since hands over what the provider took since a moment and did not wholly give back.
func (s *Service) Since(ctx context.Context, since time.Time, fn func(Taken) error) error {
	return s.provider.Since(ctx, since, fn)
}

// Confirm asks the provider itself whether an order's payment was made. One of another provider is taken on trust.
func (s *Service) Confirm(ctx context.Context, id shop.OrderID) (bool, error) {
	p, err := s.Get(ctx, id)
	switch {
	case err != nil:
	case p.Provider != s.provider.Name():
		return true, nil
	default:
		_, err = s.provider.Find(ctx, id, p.Reference)
	}
	if errors.Is(err, ErrUnknown) || errors.Is(err, ErrDeclined) {
		return false, nil
	}
	return err == nil, err
}

// Mend gives back what should not have been taken, and keeps that it was found.
func (s *Service) Mend(ctx context.Context, kind FindingKind, t Taken) error {
	if err := s.Report(ctx, kind, t); err != nil {
		return err
	}
	if err := s.provider.CallOff(ctx, t.Key, t.Reference); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return mended(ctx, tx, kind, t.Key) })
}

// Report keeps a finding for somebody to look at, counts it and logs it; found again, it is kept as it was.
func (s *Service) Report(ctx context.Context, kind FindingKind, t Taken) error {
	var fresh bool
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) (err error) {
		fresh, err = report(ctx, tx, Finding{
			Kind: kind, OrderID: t.Key, Provider: s.provider.Name(), Reference: t.Reference, Amount: t.Amount, Currency: t.Currency,
		})
		return err
	})
	if err != nil || !fresh {
		return err
	}
	slog.ErrorContext(ctx, "the payment provider's books differ", "kind", string(kind), "order", t.Key, "reference", t.Reference)
	findings.Add(ctx, 1, metric.WithAttributes(attribute.String("kind", string(kind))))
	return nil
}

var findings = counter()

func counter() metric.Int64Counter {
	c, err := otel.Meter("sidecart/apps/orders/payment").Int64Counter("payment.findings",
		metric.WithDescription("places where the payment provider's books and the shop's did not agree"))
	if err != nil {
		panic(err) // only for a name that cannot be
	}
	return c
}

// Findings are what reconciliation found, the newest first.
func (s *Service) Findings(ctx context.Context, q web.PageQuery) (page web.Page[Finding], err error) {
	before := int64(1) << 62
	if err := q.Cursor.Into(&before); err != nil {
		return page, err
	}
	found, err := foundBefore(ctx, s.db, before, q.Limit+1)
	if err != nil {
		return page, err
	}
	return web.NewPage(found, q.Limit, func(f Finding) any { return f.ID })
}
