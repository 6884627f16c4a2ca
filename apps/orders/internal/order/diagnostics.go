package order

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/shop"
)

// Diagnostics is what only an admin sees of an order: how the platform carries it. A part that cannot be had at the moment is
// left out.
type Diagnostics struct {
	TraceID         string              `json:"trace_id"` // of the request that placed it
	Workflow        *Workflow           `json:"workflow,omitempty"`
	Payment         *payment.Payment    `json:"payment,omitempty"`
	EventsPending   []PendingEvent      `json:"events_pending"`         // told and not yet with the broker
	EventsPublished []PublishedEvent    `json:"events_published"`       // to the broker, in the last hour
	Notifications   []OrderNotification `json:"notifications,omitzero"` // to the buyer
}

// OrderNotification is one thing that the buyer was told of the order, on one channel: in_app, email, push or sms.
type OrderNotification struct {
	NotificationID uuid.UUID  `json:"notification_id"`
	Kind           string     `json:"kind"`
	Channel        string     `json:"channel"`
	State          string     `json:"state"` // waiting, sending, sent, read, dead, skipped
	Reason         string     `json:"reason,omitempty"`
	Attempts       int        `json:"attempts"`
	CreatedAt      time.Time  `json:"created_at"`
	FinishedAt     *time.Time `json:"finished_at"`
}

// Workflow is how far the order's workflow is. Status is "forgotten" where it came to its end and was removed.
type Workflow struct {
	Name      string    `json:"name,omitempty"`
	Status    string    `json:"status"`
	StartedAt time.Time `json:"started_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// PendingEvent is an event on its way out.
type PendingEvent struct {
	Topic     string    `json:"topic"`
	EmittedAt time.Time `json:"emitted_at"`
}

// PublishedEvent is an event that the broker got.
type PublishedEvent struct {
	Topic       string     `json:"topic"`
	EmittedAt   time.Time  `json:"emitted_at"`
	PublishedAt *time.Time `json:"published_at"`
}

// diagnostics is nil for whoever is not an admin.
func (s *Service) diagnostics(ctx context.Context, who shop.Caller, o Order) (*Diagnostics, error) {
	if !who.May(shop.ManageOrders) {
		return nil, nil //nolint:nilnil // nothing is what others see
	}
	parent, err := trace(ctx, s.db, o.ID)
	if err != nil {
		return nil, err
	}
	events, err := events(ctx, s.db, o.ID)
	if err != nil {
		return nil, err
	}
	in := Diagnostics{TraceID: traceID(parent), EventsPending: []PendingEvent{}, EventsPublished: []PublishedEvent{}}
	for _, e := range events {
		if e.PublishedAt == nil {
			in.EventsPending = append(in.EventsPending, PendingEvent{e.Topic, e.EmittedAt})
		} else {
			in.EventsPublished = append(in.EventsPublished, e)
		}
	}
	told := make(chan []OrderNotification, 1)
	go func() { told <- s.notifications(ctx, o) }() // while the engine is called
	in.Workflow, in.Payment = s.calls.WorkflowStatus(ctx, o.ID), s.paymentOf(ctx, o.ID)
	in.Notifications = <-told
	return &in, nil
}

// notifications is nil where it cannot be had now: an order can be looked at without it.
func (s *Service) notifications(ctx context.Context, o Order) []OrderNotification {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	told, err := s.calls.Notifications(ctx, o.UserID, o.ID)
	if err != nil {
		slog.WarnContext(ctx, "an admin is not shown what the buyer was told", "order", o.ID, "err", err)
		return nil
	}
	return told
}

// paymentOf is nil where there is none yet.
func (s *Service) paymentOf(ctx context.Context, id shop.OrderID) *payment.Payment {
	p, err := payment.Of(ctx, s.db, id)
	if err != nil {
		if !errors.Is(err, payment.ErrNotFound) {
			slog.WarnContext(ctx, "an admin is not shown the payment", "order", id, "err", err)
		}
		return nil
	}
	return &p
}

// traceID is the second part of a traceparent.
func traceID(parent string) string {
	parts := strings.Split(parent, "-")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}
