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

// Diagnostics show an admin how an order is processed. A part that is unavailable is left out.
type Diagnostics struct {
	TraceID         string              `json:"trace_id"` // of the request that placed the order
	Workflow        *Workflow           `json:"workflow,omitempty"`
	Payment         *payment.Payment    `json:"payment,omitempty"`
	EventsPending   []OrderEvent        `json:"events_pending"`         // emitted, not published yet
	EventsPublished []OrderEvent        `json:"events_published"`       // in the last hour
	Notifications   []OrderNotification `json:"notifications,omitzero"` // of the buyer
}

// OrderNotification is one notification of the buyer on one channel.
type OrderNotification struct {
	NotificationID uuid.UUID  `json:"notification_id"`
	Kind           string     `json:"kind"`
	Channel        string     `json:"channel" validate:"oneof=in_app email push sms"`
	State          string     `json:"state" validate:"oneof=waiting sending sent read dead skipped"`
	Reason         string     `json:"reason,omitempty"`
	Attempts       int        `json:"attempts"`
	CreatedAt      time.Time  `json:"created_at"`
	FinishedAt     *time.Time `json:"finished_at"`
}

// Workflow is the state of the order's workflow. Status is "purged" if it completed and was removed.
type Workflow struct {
	Name      string    `json:"name,omitempty"`
	Status    string    `json:"status"`
	StartedAt time.Time `json:"started_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// OrderEvent is an event of the order. PublishedAt is when the broker accepted it.
type OrderEvent struct {
	Topic       string     `json:"topic"`
	EmittedAt   time.Time  `json:"emitted_at"`
	PublishedAt *time.Time `json:"published_at,omitempty"`
}

func (s *Service) diagnostics(ctx context.Context, o Order) (*Diagnostics, error) {
	traceParent, err := trace(ctx, s.db, o.ID)
	if err != nil {
		return nil, err
	}
	all, err := events(ctx, s.db, o.ID)
	if err != nil {
		return nil, err
	}
	d := Diagnostics{TraceID: traceID(traceParent), EventsPending: []OrderEvent{}, EventsPublished: []OrderEvent{}}
	for _, e := range all {
		if e.PublishedAt == nil {
			d.EventsPending = append(d.EventsPending, e)
		} else {
			d.EventsPublished = append(d.EventsPublished, e)
		}
	}
	notifications := make(chan []OrderNotification, 1)
	go func() { notifications <- s.notifications(ctx, o) }() // concurrently with the call of the workflow engine
	d.Workflow, d.Payment = s.calls.Workflow(ctx, o.ID), s.payment(ctx, o.ID)
	d.Notifications = <-notifications
	return &d, nil
}

// notifications returns nil if they are unavailable: the order is shown without them.
func (s *Service) notifications(ctx context.Context, o Order) []OrderNotification {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	all, err := s.calls.Notifications(ctx, o.UserID, o.ID)
	if err != nil {
		slog.WarnContext(ctx, "diagnostics without notifications", "order", o.ID, "err", err)
		return nil
	}
	return all
}

// payment returns nil if there is no payment yet.
func (s *Service) payment(ctx context.Context, id shop.OrderID) *payment.Payment {
	p, err := payment.Get(ctx, s.db, id)
	if err != nil {
		if !errors.Is(err, payment.ErrNotFound) {
			slog.WarnContext(ctx, "diagnostics without payment", "order", id, "err", err)
		}
		return nil
	}
	return &p
}

// traceID is the second part of a traceparent.
func traceID(traceParent string) string {
	_, rest, _ := strings.Cut(traceParent, "-")
	id, _, _ := strings.Cut(rest, "-")
	return id
}
