package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/notifications/internal/relay"
	"sidecart/kit/fault"
	"sidecart/kit/sidecar"
)

func always(kind string, err error) TypeOf {
	return func(context.Context, string) (string, error) { return kind, err }
}

var aLetter = Letter{
	MailID: uuid.MustParse("0192f0c1-2d3e-7abc-8def-0123456789ab"), To: "ada@example.com", Title: "Hello", Body: "Hello, Ada", HTML: "<p>Hello, Ada</p>",
	Unsubscribe: "https://shop.example.com/unsubscribe?token=x", OneClick: "https://shop.example.com/api/v1/notifications/unsubscribe?token=x",
}

// TestLettersAreWholeOverHTTP and only a page where the component is another type.
func TestLettersAreWholeOverHTTP(t *testing.T) {
	for kind, check := range map[string]func(data string, metadata map[string]string) bool{
		"bindings.http": func(data string, metadata map[string]string) bool {
			var got relay.Mail
			err := json.Unmarshal([]byte(data), &got)
			return err == nil && metadata["errorIfNot2XX"] == "false" && got == relay.Mail{ID: aLetter.MailID, To: "ada@example.com", Subject: "Hello",
				Text: "Hello, Ada", HTML: "<p>Hello, Ada</p>", Unsubscribe: aLetter.OneClick}
		},
		"bindings.smtp": func(data string, metadata map[string]string) bool {
			return data == aLetter.HTML && metadata["emailTo"] == "ada@example.com" && metadata["subject"] == "Hello"
		},
	} {
		bind := func(_ context.Context, name, operation string, data []byte, metadata map[string]string) ([]byte, error) {
			if name != "email" || operation != "create" || !check(string(data), metadata) {
				t.Errorf("%s: %s %s got %s with %v", kind, operation, name, data, metadata)
			}
			return []byte(`{"answer":"250 taken"}`), nil
		}
		if answer, err := EmailWith(bind, always(kind, nil)).Send(t.Context(), aLetter); err != nil || answer == "" {
			t.Errorf("%s: %q %v", kind, answer, err)
		}
	}
}

func TestWhatTheRelayAnswers(t *testing.T) {
	problem := func(f *fault.Error) string {
		text, err := json.Marshal(f.Problem(""))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, c := range []struct {
		answer, says string
		want         error
	}{
		{problem(relay.ErrRefused.Saying("550 5.1.1 no such mailbox")), "550 5.1.1 no such mailbox", ErrRefused},
		{problem(relay.ErrPutOff.Saying("452 4.2.2 mailbox full")), "452 4.2.2 mailbox full", ErrPutOff},
		{problem(relay.ErrSilent.Saying("connection refused")), "connection refused", nil},
		{problem(fault.ErrInvalid.With("to", "is none")), "is none", ErrRefused},
		{problem(fault.New(fault.Unauthenticated, "sidecar_token", "not you")), "not you", nil},
		{problem(fault.ErrTimedOut), "in time", nil},
		{`<h1>Bad Gateway</h1>`, "not expected", nil},
		{`{}`, "not expected", nil},
		{``, "not expected", nil},
	} {
		bind := func(context.Context, string, string, []byte, map[string]string) ([]byte, error) {
			return []byte(c.answer), nil
		}
		_, err := EmailWith(bind, always("bindings.http", nil)).Send(t.Context(), aLetter)
		if c.want == nil && !silent(err) || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v", c.answer, err)
		}
	}
	bind := func(context.Context, string, string, []byte, map[string]string) ([]byte, error) {
		return nil, errors.New("rpc error: code = Internal desc = dial tcp 127.0.0.1:18026: connect: connection refused")
	}
	if _, err := EmailWith(bind, always("bindings.http", nil)).Send(t.Context(), aLetter); !silent(err) {
		t.Errorf("without a relay: %v", err)
	}
	if _, err := EmailWith(bind, always("", sidecar.ErrNoComponent)).Send(t.Context(), aLetter); !errors.Is(err, ErrAbsent) {
		t.Errorf("without a component: %v", err)
	}
	if _, err := EmailWith(bind, always("", errors.New("no sidecar"))).Send(t.Context(), aLetter); !silent(err) {
		t.Errorf("without a sidecar: %v", err)
	}
}

// TestSMTPBindingWorksAlone: it would send one reader's mail to another.
func TestSMTPBindingWorksAlone(t *testing.T) {
	var within, most atomic.Int32
	meet := make(chan struct{})
	bind := func(_ context.Context, _, _ string, _ []byte, metadata map[string]string) ([]byte, error) {
		now := within.Add(1)
		defer within.Add(-1)
		most.Store(max(most.Load(), now))
		patience := time.Minute // over HTTP: two of them wait for each other
		if metadata["emailTo"] != "" {
			patience = 5 * time.Millisecond
		}
		select {
		case meet <- struct{}{}:
		case <-meet:
		case <-time.After(patience):
		}
		return []byte(`{"answer":"250 taken"}`), nil
	}
	for kind, want := range map[string]func(int32) bool{"bindings.smtp": func(n int32) bool { return n == 1 }, "bindings.http": func(n int32) bool { return n > 1 }} {
		most.Store(0)
		p := EmailWith(bind, always(kind, nil))
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if _, err := p.Send(t.Context(), aLetter); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if !want(most.Load()) {
			t.Errorf("%s: %d at once", kind, most.Load())
		}
	}
}

// TestNobodyWaitsPastTheirAttempt for a turn, or for what another asks: or the lease would end first.
func TestNobodyWaitsPastTheirAttempt(t *testing.T) {
	busy, free := make(chan struct{}), make(chan struct{})
	bind := func(context.Context, string, string, []byte, map[string]string) ([]byte, error) {
		close(busy)
		<-free
		return nil, nil
	}
	p := EmailWith(bind, always("bindings.smtp", nil))
	var first sync.WaitGroup
	first.Go(func() { _, _ = p.Send(t.Context(), aLetter) })
	<-busy
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Send(over, aLetter); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(free)
	first.Wait()

	asked, answer := make(chan struct{}, 2), make(chan struct{})
	p = EmailWith(nil, func(ctx context.Context, _ string) (string, error) {
		asked <- struct{}{}
		select {
		case <-ctx.Done():
		case <-answer:
		}
		return "", errors.New("no sidecar")
	})
	first.Go(func() { _, _ = p.Send(t.Context(), aLetter) })
	<-asked
	if _, err := p.Send(over, aLetter); !silent(err) {
		t.Errorf("%v", err)
	}
	close(answer)
	first.Wait()
}
