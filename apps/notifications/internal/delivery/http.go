package delivery

import (
	"context"
	"net/http"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// Routes adds the admins' history and report, and the tracking links of e-mails.
func (s *Service) Routes(app *web.App) {
	web.Handle(app, "GET /notifications/opened", shop.Anyone, s.handlePixel, web.NoStore, web.Fails(ErrInvalidLink),
		web.Produces("image/gif"),
		web.Doc("trackOpen", "notifications", "Track an opened e-mail"),
		web.Describe("The image in an e-mail that counts it as opened."))
	web.Handle(app, "GET /notifications/clicked", shop.Anyone, s.handleLink, web.NoStore,
		web.Status(http.StatusSeeOther), web.Fails(ErrInvalidLink), web.Produces("text/plain"),
		web.Doc("trackClick", "notifications", "Track a followed link"),
		web.Describe("The link in an e-mail that counts it as followed. Redirects to a page of the shop."))
	web.Handle(app, "GET /notifications/history", shop.ManageMessages, s.handleHistory, web.NoStore,
		web.Doc("listDeliveries", "admin", "List delivery attempts"),
		web.Describe("Newest first, with the response of the provider."))
	web.Handle(app, "GET /notifications/analytics", shop.SeeAnalytics, s.handleAnalytics, web.NoStore,
		web.Doc("getDeliveryReport", "admin", "Report the deliveries"),
		web.Describe("What was sent, failed, opened and followed, by day, kind and channel."))
	web.Handle(app, "POST /notifications/deliveries/{id}/retry", shop.ManageMessages, s.handleRetry, web.NoStore,
		web.Fails(ErrNotFound, ErrNotDead),
		web.Doc("retryDelivery", "admin", "Retry a dead delivery"))
	web.Handle(app, "GET /order-notifications/{user_id}/{order_id}", shop.Anyone, s.handleOrderNotifications,
		web.Internal, web.NoStore)
}

func (s *Service) handleHistory(
	ctx context.Context, _ shop.Caller, in HistoryQuery,
) (web.Page[DeliveryAttempt], error) {
	return s.History(ctx, in)
}

type period struct {
	From string `query:"from" validate:"omitempty,datetime=2006-01-02" doc:"First day (UTC)."`
	To   string `query:"to" validate:"omitempty,datetime=2006-01-02" doc:"Last day (UTC)."`
}

// Periods in days.
const (
	maxPeriod     = 366
	defaultPeriod = 30
)

// bounds returns the start of the period and its end, exclusive. The default is the last 30 days, including today.
func (p period) bounds(now time.Time) (from, until time.Time, err error) {
	until = now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	if p.To != "" {
		to, _ := time.Parse(time.DateOnly, p.To) // was validated
		until = to.AddDate(0, 0, 1)
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

// DeliveryReport counts the deliveries of a period.
type DeliveryReport struct {
	Items []DailyDeliveries `json:"items"`
}

func (s *Service) handleAnalytics(ctx context.Context, _ shop.Caller, in period) (DeliveryReport, error) {
	from, until, err := in.bounds(time.Now())
	if err != nil {
		return DeliveryReport{}, err
	}
	items, err := days(ctx, s.db, from, until)
	return DeliveryReport{items}, err
}

type orderInput struct {
	UserID  shop.UserID  `path:"user_id" validate:"required"`
	OrderID shop.OrderID `path:"order_id" validate:"required"`
}

type orderResult struct {
	Items []OrderDelivery `json:"items"`
}

func (s *Service) handleOrderNotifications(ctx context.Context, _ shop.Caller, in orderInput) (orderResult, error) {
	items, err := orderNotifications(ctx, s.db, in.UserID, in.OrderID)
	return orderResult{items}, err
}

type idInput struct {
	ID ID `path:"id"`
}

func (s *Service) handleRetry(ctx context.Context, _ shop.Caller, in idInput) (Delivery, error) {
	return s.Retry(ctx, in.ID)
}

type trackingInput struct {
	Token string `query:"token" validate:"required,max=1000"`
}

func (s *Service) handlePixel(ctx context.Context, _ shop.Caller, in trackingInput) (web.Content, error) {
	_, err := s.Track(ctx, in.Token, false)
	return web.Content{MediaType: "image/gif", Bytes: pixel}, err
}

func (s *Service) handleLink(ctx context.Context, _ shop.Caller, in trackingInput) (web.Content, error) {
	path, err := s.Track(ctx, in.Token, true)
	return web.Content{
		MediaType: "text/plain", Bytes: []byte("See the Location header.\n"), Header: map[string]string{"Location": path},
	}, err
}
