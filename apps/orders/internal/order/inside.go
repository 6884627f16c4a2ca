package order

import (
	"context"
	"strings"
	"time"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/shop"
)

// Inside is what only an admin sees of an order: how the platform carries it. A part that cannot be had at the moment is
// left out.
type Inside struct {
	TraceID  string           `json:"trace_id"` // of the request that placed it
	Workflow *Workflow        `json:"workflow,omitempty"`
	Payment  *payment.Payment `json:"payment,omitempty"`
	Waiting  []Waiting        `json:"events_waiting"` // told and not yet with the broker
}

// Workflow is how far the order's workflow is. Status is "forgotten" where it came to its end and was removed.
type Workflow struct {
	Name      string    `json:"name,omitempty"`
	Status    string    `json:"status"`
	StartedAt time.Time `json:"started_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// Waiting is an event on its way out.
type Waiting struct {
	Topic     string    `json:"topic"`
	EmittedAt time.Time `json:"emitted_at"`
}

// LookInside says how the platform carries an order.
type LookInside func(ctx context.Context, id shop.OrderID) (*Workflow, *payment.Payment)

// ShowInside names who knows more of an order than the order does.
func (s *Service) ShowInside(look LookInside) { s.look = look }

// inside is nil for whoever is not an admin.
func (s *Service) inside(ctx context.Context, who shop.Caller, id shop.OrderID) (*Inside, error) {
	if !who.May(shop.ManageOrders) {
		return nil, nil //nolint:nilnil // nothing is what others see
	}
	parent, err := trace(ctx, s.db, id)
	if err != nil {
		return nil, err
	}
	in := Inside{TraceID: traceID(parent)}
	if in.Waiting, err = waiting(ctx, s.db, id); err != nil {
		return nil, err
	}
	in.Workflow, in.Payment = s.look(ctx, id)
	return &in, nil
}

// traceID is the second part of a traceparent.
func traceID(parent string) string {
	parts := strings.Split(parent, "-")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}
