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

// InvokeBinding invokes an operation of an output binding.
type InvokeBinding func(ctx context.Context, name, operation string, data []byte, metadata map[string]string) ([]byte, error)

// smsComponent is the name of the SMS binding, whichever component implements it.
const smsComponent = "sms"

// NewSMSProvider sends SMS through the sidecar's binding. Twilio's reads the number from toNumber; an HTTP binding
// passes To-Number on as a header.
func NewSMSProvider(invoke InvokeBinding) Provider {
	send := func(ctx context.Context, m Message) (string, error) {
		number := map[string]string{"toNumber": m.To, "To-Number": m.To}
		if _, err := invoke(ctx, smsComponent, "create", []byte(m.Body), number); err != nil {
			return "", classify(err, m.To)
		}
		return "accepted", nil
	}
	return Provider{Name: smsComponent, Concurrency: 4, PerSecond: 50, Send: send}
}

// statusPattern finds the HTTP status of a provider's response in a binding's error.
var statusPattern = regexp.MustCompile(`(?:status code '?|Twilio \()(\d{3})`)

// senderStatuses are not about the message: wrong credentials, no money, another URL, a timeout, too many requests.
var senderStatuses = []string{"401", "402", "403", "404", "408", "429"}

// classify maps a binding's error. It removes the number from the text, because the history stores no addresses.
func classify(err error, number string) error {
	text := err.Error()
	if at := strings.LastIndex(text, "desc = "); at >= 0 {
		text = text[at+len("desc = "):]
	}
	text = strings.ReplaceAll(text, number, "the address")
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

// FetchToken gets the token that a link carries from the users service when the message is sent, so that it is never
// stored. It fails with a not found or a conflict if the token is of no use any more.
type FetchToken func(ctx context.Context, request uuid.UUID) (string, error)

var mailToken = sidecar.Endpoint{App: "users", Method: "POST", Path: "/mail-tokens/{request}"}

// NewFetchToken invokes the users service through the sidecar.
func NewFetchToken(invoke sidecar.Invoke) FetchToken {
	return func(ctx context.Context, request uuid.UUID) (string, error) {
		var result struct {
			Token     string    `json:"token"`
			ExpiresAt time.Time `json:"expires_at"`
		}
		err := invoke(ctx, mailToken.With(request.String()), nil, &result)
		return result.Token, err
	}
}
