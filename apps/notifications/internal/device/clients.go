package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/SherClockHolmes/webpush-go"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/delivery"
)

// NewPushProvider sends to all devices of a user, and removes expired ones. A message is sent if one device was
// reached. Otherwise the device that may be reached by a retry decides. Push services contact the shop at contact: see
// CheckContact.
func NewPushProvider(db *pgxpool.Pool, keys VAPIDKeys, contact string, client *http.Client) delivery.Provider {
	noRedirects := *client
	noRedirects.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p := pusher{db, webpush.Options{
		HTTPClient: &noRedirects, Subscriber: strings.TrimPrefix(contact, "mailto:"), TTL: int((24 * time.Hour).Seconds()),
		VAPIDPublicKey: keys.Public, VAPIDPrivateKey: keys.Private,
	}}
	return delivery.Provider{Name: "webpush", Concurrency: 8, PerSecond: 100, Send: p.send}
}

// CheckContact fails unless contact is a mailto: or https: URL (RFC 8292, section 2.1).
func CheckContact(contact string) error {
	if address, ok := strings.CutPrefix(contact, "mailto:"); ok {
		if parsed, err := mail.ParseAddress(address); err == nil && parsed.Address == address {
			return nil
		}
	} else if u, err := url.Parse(contact); err == nil && u.Scheme == "https" && u.Host != "" {
		return nil
	}
	return errors.New("must be like mailto:shop@example.com or https://shop.example.com/contact")
}

type pusher struct {
	db      *pgxpool.Pool
	options webpush.Options
}

// pushPayload is what the service worker of a page receives.
type pushPayload struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	Title string `json:"title"`
	Body  string `json:"body"`
	Link  string `json:"link,omitempty"`
}

// maxPayload in bytes. A push service accepts 4096, of which the encryption needs a hundred.
const maxPayload = 3900

// encodePayload encodes a payload as JSON, and shortens its body if it is too long.
func encodePayload(p pushPayload) ([]byte, error) {
	text, err := json.Marshal(p)
	for body := []rune(p.Body); err == nil && len(text) > maxPayload && len(body) > 0; {
		// A removed rune shortens the JSON by at most six bytes, so a step never removes too much.
		body = body[:max(0, len(body)-max(1, (len(text)-maxPayload)/6))]
		p.Body = strings.TrimRight(string(body), " ") + "…"
		text, err = json.Marshal(p)
	}
	return text, err
}

func (p pusher) send(ctx context.Context, m delivery.Message) (string, error) {
	devices, err := list(ctx, p.db, m.Job.UserID)
	if err != nil {
		return "", err
	}
	text, err := encodePayload(pushPayload{m.Job.NotificationID.String(), m.Job.Kind, m.Title, m.Body, m.Link})
	if err != nil {
		return "", err
	}
	reached := 0
	var failed error
	for _, d := range devices {
		err := p.sendTo(ctx, d, text)
		switch {
		case err == nil:
			reached++
		case failed == nil || retryRank(err) > retryRank(failed):
			failed = err
		}
	}
	switch {
	case reached > 0:
		return fmt.Sprintf("%d of %d devices", reached, len(devices)), nil
	case len(devices) == 0:
		return "", fmt.Errorf("%w: the user has no device any more", delivery.ErrObsolete)
	}
	return "", failed
}

// retryRank is how likely a retry succeeds: most likely if the push service did not respond.
func retryRank(err error) int {
	switch {
	case errors.Is(err, delivery.ErrRefused):
		return 0
	case errors.Is(err, delivery.ErrTemporary):
		return 1
	}
	return 2
}

// temporaryStatuses are not about a device: the push service rejects the key, or limits the rate.
var temporaryStatuses = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}

func (p pusher) sendTo(ctx context.Context, d Device, text []byte) error {
	to := &webpush.Subscription{Endpoint: d.Endpoint, Keys: webpush.Keys{P256dh: d.P256DH, Auth: d.Auth}}
	options := p.options
	res, err := webpush.SendNotificationWithContext(ctx, text, to, &options)
	switch {
	case errors.Is(err, webpush.ErrMaxPadExceeded):
		return fmt.Errorf("%w: too long", delivery.ErrRefused)
	case err != nil:
		return errors.New("the push service does not respond") // err has the endpoint, which is secret
	}
	defer res.Body.Close() //nolint:errcheck // nothing is read
	switch {
	case res.StatusCode < 300:
		return nil
	case res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone:
		err := pgx.BeginFunc(ctx, p.db, func(tx pgx.Tx) error { return remove(ctx, tx, d.UserID, d.ID) })
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		return fmt.Errorf("%w: the subscription has expired", delivery.ErrRefused)
	case slices.Contains(temporaryStatuses, res.StatusCode):
		return fmt.Errorf("%w: the push service responded %d", delivery.ErrTemporary, res.StatusCode)
	case res.StatusCode < 500:
		return fmt.Errorf("%w: the push service responded %d", delivery.ErrRefused, res.StatusCode)
	}
	return fmt.Errorf("the push service responded %d", res.StatusCode)
}
