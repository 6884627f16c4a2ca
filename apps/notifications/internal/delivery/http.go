package delivery

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/notifications/internal/inbox"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Desk is where admins see what was told, outside and in the inboxes, and how much of it was read.
type Desk struct {
	deliveries *Service
	messages   *inbox.Service
	tracks     TrackingTokens
}

// NewDesk shows deliveries and messages, and reads the tokens that tracks made.
func NewDesk(deliveries *Service, messages *inbox.Service, tracks TrackingTokens) *Desk {
	return &Desk{deliveries, messages, tracks}
}

// Routes adds history and analytics to an app.
func (d *Desk) Routes(app *web.App) {
	web.Handle(app, "GET /notifications/opened", shop.Anyone, d.handlePixel, web.NoStore, web.Fails(ErrInvalidLink),
		web.Produces("image/gif"),
		web.Doc("trackOpen", "notifications", "Track an opened e-mail"),
		web.Describe("The image in an e-mail that counts it as opened."))
	web.Handle(app, "GET /notifications/clicked", shop.Anyone, d.handleLink, web.NoStore,
		web.Status(http.StatusSeeOther), web.Fails(ErrInvalidLink), web.Produces("text/plain"),
		web.Doc("trackClick", "notifications", "Track a followed link"),
		web.Describe("The link in an e-mail that counts it as followed. Redirects to a page of the shop."))
	web.Handle(app, "GET /notifications/history", shop.ManageMessages, d.handleHistory, web.NoStore,
		web.Doc("listDeliveries", "admin", "List delivery attempts"),
		web.Describe("Newest first, with the response of the provider."))
	web.Handle(app, "GET /notifications/analytics", shop.SeeAnalytics, d.handleAnalytics, web.NoStore,
		web.Doc("getDeliveryReport", "admin", "Report the deliveries"),
		web.Describe("What was sent, failed, opened and followed, by day, kind and channel."))
	web.Handle(app, "POST /notifications/deliveries/{id}/retry", shop.ManageMessages, d.handleRetry, web.NoStore,
		web.Fails(ErrNotFound, ErrNotDead),
		web.Doc("retryDelivery", "admin", "Retry a dead delivery"))
	web.Handle(app, "GET /told/{user_id}/{order_id}", shop.Anyone, d.handleTold, web.Internal, web.NoStore)
}

type historyQuery struct {
	web.PageQuery
	Kind           string     `query:"kind" validate:"max=60"`
	Channel        string     `query:"channel" validate:"omitempty,oneof=email push sms"`
	Outcome        string     `query:"outcome" validate:"omitempty,oneof=sent refused failed unknown skipped"`
	UserID         *uuid.UUID `query:"user_id"`
	NotificationID *uuid.UUID `query:"notification_id"`
}

func (d *Desk) handleHistory(ctx context.Context, _ shop.Caller, in historyQuery) (web.Page[DeliveryAttempt], error) {
	return d.deliveries.History(ctx, Filter{in.Kind, in.Channel, in.Outcome, in.UserID, in.NotificationID}, in.PageQuery)
}

type period struct {
	From string `query:"from" validate:"omitempty,datetime=2006-01-02"`
	To   string `query:"to" validate:"omitempty,datetime=2006-01-02"`
}

// The longest period and the usual one, in days.
const (
	maxPeriod     = 366
	defaultPeriod = 30
)

// bounds are the first moment and the one after the last. Without bounds it is the last 30 days, today among them.
func (p period) bounds(now time.Time) (from, until time.Time, err error) {
	until = now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	if p.To != "" {
		last, _ := time.Parse(time.DateOnly, p.To) // was validated
		until = last.AddDate(0, 0, 1)
	}
	from = until.AddDate(0, 0, -defaultPeriod)
	if p.From != "" {
		from, _ = time.Parse(time.DateOnly, p.From)
	}
	if !from.Before(until) || until.Sub(from) > maxPeriod*24*time.Hour {
		return from, until, fault.ErrInvalid.With("from", "must be before to, and at most 366 days")
	}
	return from, until, nil
}

// DeliveryReport are the days of a period.
type DeliveryReport struct {
	Items []DailyDeliveries `json:"items"`
}

func (d *Desk) handleAnalytics(ctx context.Context, _ shop.Caller, in period) (DeliveryReport, error) {
	from, until, err := in.bounds(time.Now())
	if err != nil {
		return DeliveryReport{}, err
	}
	outside, err := d.deliveries.Days(ctx, from, until)
	if err != nil {
		return DeliveryReport{}, err
	}
	inbox, err := d.messages.Days(ctx, from, until)
	all := append([]DailyDeliveries{}, outside...)
	for _, m := range inbox {
		all = append(all, DailyDeliveries{Day: m.Day, Kind: m.Kind, Channel: string(kind.InApp), Planned: m.Sent, Sent: m.Sent, Opened: m.Opened, Attempts: m.Sent})
	}
	slices.SortStableFunc(all, func(a, b DailyDeliveries) int {
		return cmp.Or(cmp.Compare(b.Day, a.Day), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Channel, b.Channel))
	})
	return DeliveryReport{all}, err
}

type toldInput struct {
	UserID  shop.UserID  `path:"user_id" validate:"required"`
	OrderID shop.OrderID `path:"order_id" validate:"required"`
}

type toldAnswer struct {
	Items []OrderDelivery `json:"items"`
}

func (d *Desk) handleTold(ctx context.Context, _ shop.Caller, in toldInput) (toldAnswer, error) {
	found, err := d.deliveries.Told(ctx, in.UserID, in.OrderID)
	return toldAnswer{found}, err
}

type idInput struct {
	ID ID `path:"id"`
}

func (d *Desk) handleRetry(ctx context.Context, _ shop.Caller, in idInput) (Delivery, error) {
	return d.deliveries.Retry(ctx, in.ID)
}
