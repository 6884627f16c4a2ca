package delivery

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/sidecar"
)

// InvokeBinding does one operation of an output binding.
type InvokeBinding func(ctx context.Context, name, operation string, data []byte, metadata map[string]string) ([]byte, error)

// smsComponent is the name of the binding for SMS, whatever stands behind it.
const smsComponent = "sms"

// NewSMSProvider sends SMS through the sidecar's binding: Twilio's reads the number by one name, and HTTP bindings pass it on as a
// header by the other.
func NewSMSProvider(bind InvokeBinding) Provider {
	return Provider{Name: smsComponent, Concurrency: 4, PerSecond: 50, Send: func(ctx context.Context, l Message) (string, error) {
		_, err := bind(ctx, smsComponent, "create", []byte(l.Body), map[string]string{"toNumber": l.To, "To-Number": l.To})
		if err != nil {
			return "", classify(err, l.To)
		}
		return "accepted", nil
	}}
}

// statusPattern is the status that a provider's HTTP API refused with.
var statusPattern = regexp.MustCompile(`(?:status code '?|Twilio \()(\d{3})`)

// senderStatuses are the refusals that are not about the message: wrong credentials, an account without money, another address, too slow, too
// much. They come to every message alike, until somebody sets that right.
var senderStatuses = []string{"401", "402", "403", "404", "408", "429"}

// classify sorts what a binding failed with. What it says of the address is taken out of it: the history keeps none.
func classify(err error, address string) error {
	text := err.Error()
	if at := strings.LastIndex(text, "desc = "); at >= 0 {
		text = text[at+len("desc = "):]
	}
	text = strings.ReplaceAll(text, address, "the address")
	switch status := statusPattern.FindStringSubmatch(text); {
	case strings.Contains(text, "find output binding"):
		return fmt.Errorf("%w: no component of that name", ErrNotConfigured)
	case status != nil && slices.Contains(senderStatuses, status[1]):
		return fmt.Errorf("%w: %s", ErrSenderRejected, text)
	case status != nil && status[1][0] == '4':
		return fmt.Errorf("%w: %s", ErrRefused, text)
	}
	return errors.New(text)
}

// FetchToken asks users for the key that a link carries, at the moment it is sent. It fails as not found or as a conflict
// when the key is of no use any more.
type FetchToken func(ctx context.Context, request uuid.UUID) (string, error)

var mailToken = sidecar.Endpoint{App: "users", Method: "POST", Path: "/mail-tokens/{request}"}

// NewFetchToken invokes the users service through the sidecar.
func NewFetchToken(invoke sidecar.Invoke) FetchToken {
	return func(ctx context.Context, request uuid.UUID) (string, error) {
		var answer struct {
			Token     string    `json:"token"`
			ExpiresAt time.Time `json:"expires_at"`
		}
		err := invoke(ctx, mailToken.With(request.String()), nil, &answer)
		return answer.Token, err
	}
}
