package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"sidecart/apps/notifications/internal/relay"
	"sidecart/kit/fault"
	"sidecart/kit/sidecar"
)

// emailComponent is the name of the binding for e-mail, whatever stands behind it.
const emailComponent = "email"

// TypeOf says what stands behind a component: bindings.http, bindings.smtp.
type TypeOf func(ctx context.Context, component string) (string, error)

// EmailWith sends e-mail through the sidecar's binding. Where that is HTTP, letters go to the relay: whole, with all headers, and
// several at once. Every other type is given what all of them understand, a page, an address and a subject; and one at a time,
// because Dapr's SMTP binding keeps the recipient of the mail it is working on where the next one overwrites it
// (components-contrib 1.16 to 1.18).
func EmailWith(bind Bind, typeOf TypeOf) Provider {
	known := remembered(typeOf, emailComponent)
	turn := make(chan struct{}, 1)
	return Provider{Name: emailComponent, AtOnce: 8, PerSecond: 1000, Send: func(ctx context.Context, l Letter) (string, error) {
		kind, err := known(ctx)
		switch {
		case errors.Is(err, sidecar.ErrNoComponent):
			return "", fmt.Errorf("%w: no component of that name", ErrAbsent)
		case err != nil:
			return "", said(err, l.To)
		case kind == "bindings.http":
			return relayed(ctx, bind, l)
		}
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if _, err = bind(ctx, emailComponent, "create", []byte(l.HTML), map[string]string{"emailTo": l.To, "subject": l.Title}); err != nil {
			return "", said(err, l.To)
		}
		return "accepted", nil
	}}
}

// relayed hands a letter to the relay. Its refusals come back as bodies, which say more than the binding's own error would.
func relayed(ctx context.Context, bind Bind, l Letter) (string, error) {
	var body bytes.Buffer
	text := json.NewEncoder(&body)
	text.SetEscapeHTML(false) // it is most of a page, and nobody shows this one
	err := text.Encode(relay.Mail{ID: l.MailID, To: l.To, Subject: l.Title, Text: l.Body, HTML: l.HTML, Unsubscribe: l.OneClick})
	if err != nil {
		return "", err
	}
	answer, err := bind(ctx, emailComponent, "create", body.Bytes(), map[string]string{"errorIfNot2XX": "false"})
	if err != nil {
		return "", said(err, l.To)
	}
	var receipt relay.Receipt
	if err := json.Unmarshal(answer, &receipt); err == nil && receipt.Answer != "" {
		return receipt.Answer, nil
	}
	return "", refusedBy(answer)
}

// refusedBy sorts what the relay said instead of yes.
func refusedBy(answer []byte) error {
	var problem fault.Problem
	if err := json.Unmarshal(answer, &problem); err != nil || problem.Code == "" {
		return fmt.Errorf("the mail relay answers what is not expected: %.100q", answer)
	}
	f := problem.Fault()
	switch {
	case errors.Is(f, relay.ErrPutOff):
		return fmt.Errorf("%w: %s", ErrPutOff, f.Message)
	case errors.Is(f, relay.ErrRefused):
		return fmt.Errorf("%w: %s", ErrRefused, f.Message)
	case errors.Is(f, fault.ErrInvalid), f.Kind == fault.TooLarge:
		return fmt.Errorf("%w: the mail relay: %s %v", ErrRefused, f.Message, f.Fields)
	}
	return errors.New(f.Message)
}

// remembered asks for the type of a component once in a while: another one comes with another start of the sidecar.
func remembered(typeOf TypeOf, component string) func(context.Context) (string, error) {
	var mu sync.Mutex
	var kind string
	var until time.Time
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		last, fresh := kind, time.Now().Before(until)
		mu.Unlock()
		if fresh {
			return last, nil
		}
		found, err := typeOf(ctx, component) // by several at once, rather than one after the other
		if err == nil {
			mu.Lock()
			kind, until = found, time.Now().Add(30*time.Second)
			mu.Unlock()
		}
		return found, err
	}
}
