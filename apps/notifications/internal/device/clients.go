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

// NewPushProvider sends to all devices of a reader; a device that is gone is forgotten. It says yes once one of them was reached, and else
// what leaves the most hope.
// Push services complain to contact, see CheckContact.
func NewPushProvider(db *pgxpool.Pool, keys VAPIDKeys, contact string, client *http.Client) delivery.Provider {
	quiet := *client
	quiet.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // nobody sends us elsewhere
	p := pusher{db: db, client: &quiet, options: webpush.Options{
		HTTPClient: &quiet, Subscriber: strings.TrimPrefix(contact, "mailto:"), TTL: int((24 * time.Hour).Seconds()), VAPIDPublicKey: keys.Public, VAPIDPrivateKey: keys.Private,
	}}
	return delivery.Provider{Name: "webpush", Concurrency: 8, PerSecond: 100, Send: p.send}
}

// CheckContact fails unless contact is an address at which the shop can be reached: mailto: or https: (RFC 8292,
// section 2.1).
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
	client  *http.Client
	options webpush.Options
}

// pushPayload is what a page's service worker gets.
type pushPayload struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	Title string `json:"title"`
	Body  string `json:"body"`
	Link  string `json:"link,omitempty"`
}

// senderStatuses are refusals of a push service that are not about a device: it does not take our key, or not that much.
var senderStatuses = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}

// retryRank is how likely it is that a device is reached yet: most of all if nobody knows.
func retryRank(err error) int {
	switch {
	case errors.Is(err, delivery.ErrRefused):
		return 0
	case errors.Is(err, delivery.ErrTemporary):
		return 1
	}
	return 2
}

// maxPayload is in bytes. A push service takes 4096, in which the encryption needs a hundred.
const maxPayload = 3900

// encodePayload is a note as JSON, with as much of its body as there is room for.
func encodePayload(n pushPayload) ([]byte, error) {
	text, err := json.Marshal(n)
	for body := []rune(n.Body); err == nil && len(text) > maxPayload && len(body) > 0; {
		// What is too much is at most six bytes for each rune that goes, so this never takes more than it must by far.
		body = body[:max(0, len(body)-max(1, (len(text)-maxPayload)/6))]
		n.Body = strings.TrimRight(string(body), " ") + "…"
		text, err = json.Marshal(n)
	}
	return text, err
}

func (p pusher) send(ctx context.Context, l delivery.Message) (string, error) {
	all, err := list(ctx, p.db, l.Job.UserID)
	if err != nil {
		return "", err
	}
	text, err := encodePayload(pushPayload{l.Job.NotificationID.String(), l.Job.Kind, l.Title, l.Body, l.Link})
	if err != nil {
		return "", err
	}
	reached := 0
	var failed error
	for _, d := range all {
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
		return fmt.Sprintf("%d of %d devices", reached, len(all)), nil
	case len(all) == 0:
		return "", fmt.Errorf("%w: there is no device any more", delivery.ErrObsolete)
	}
	return "", failed
}

func (p pusher) sendTo(ctx context.Context, d Device, text []byte) error {
	to := &webpush.Subscription{Endpoint: d.Endpoint, Keys: webpush.Keys{P256dh: d.P256DH, Auth: d.Auth}}
	options := p.options
	res, err := webpush.SendNotificationWithContext(ctx, text, to, &options)
	switch {
	case errors.Is(err, webpush.ErrMaxPadExceeded):
		return fmt.Errorf("%w: it is too long", delivery.ErrRefused)
	case err != nil:
		return errors.New("the push service does not answer") // err would show the endpoint, which is a key
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
		return fmt.Errorf("%w: the device is gone", delivery.ErrRefused)
	case slices.Contains(senderStatuses, res.StatusCode):
		return fmt.Errorf("%w: the push service answers %d", delivery.ErrTemporary, res.StatusCode)
	case res.StatusCode < 500:
		return fmt.Errorf("%w: the push service answers %d", delivery.ErrRefused, res.StatusCode)
	}
	return fmt.Errorf("the push service answers %d", res.StatusCode)
}
