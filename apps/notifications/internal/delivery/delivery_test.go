package delivery

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestDecide(t *testing.T) {
	now := time.Now()
	fresh := Job{Attempts: 1, GiveUpAt: now.Add(time.Hour)}
	expired, refused := fresh, fresh
	expired.GiveUpAt, refused.Refusals = now.Add(-time.Second), maxRefusals-1
	for _, c := range []struct {
		name    string
		job     Job
		err     error
		state   State
		outcome attemptOutcome
	}{
		{"accepted", fresh, nil, StateSent, outcomeSent},
		{"refused", fresh, ErrRefused, StateDead, outcomeRefused},
		{"temporary failure", fresh, fmt.Errorf("%w: 451", ErrTemporary), StateWaiting, outcomeRefused},
		{"too many temporary failures", refused, ErrTemporary, StateDead, outcomeRefused},
		{"sender rejected", refused, fmt.Errorf("%w: 401", ErrSenderRejected), StateWaiting, outcomeRefused},
		{"sender rejected for a day", expired, ErrSenderRejected, StateDead, outcomeRefused},
		{"no response", refused, errors.New("timeout"), StateWaiting, outcomeFailed},
		{"no response for a day", expired, errors.New("timeout"), StateDead, outcomeFailed},
		{"channel not configured", fresh, ErrNotConfigured, StateSkipped, outcomeSkipped},
		{"obsolete", fresh, ErrObsolete, StateSkipped, outcomeSkipped},
	} {
		d := decide(c.job, c.err, now)
		if d.state != c.state || d.result != c.outcome || d.state == StateWaiting && d.retryIn <= 0 {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}

func TestBackoff(t *testing.T) {
	for attempts, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 1000: maxBackoff} {
		if got := backoff(attempts); got < want/2 || got > want*3/2 {
			t.Errorf("after %d attempts %s, want about %s", attempts, got, want)
		}
	}
}

func TestClassifyBindingErrors(t *testing.T) {
	const prefix = "error invoking binding sms/create: rpc error: code = Internal desc = error invoking output binding sms: "
	for text, want := range map[string]error{
		"rpc error: code = Internal desc = error invoking output binding sms: couldn't find output binding sms": ErrNotConfigured,
		"error invoking binding sms/create: received status code '400'":                                         ErrRefused,
		"error invoking binding sms/create: received status code '401'":                                         ErrSenderRejected,
		"error invoking binding sms/create: received status code '404'":                                         ErrSenderRejected,
		"error from Twilio (403): 403 Forbidden":                                                                ErrSenderRejected,
		"error from Twilio (408): 408 Request Timeout":                                                          ErrSenderRejected,
		"error from Twilio (422): 422 Unprocessable Entity":                                                     ErrRefused,
		"error from Twilio (429): 429 Too Many Requests":                                                        ErrSenderRejected,
		"error from Twilio (503): 503 Service Unavailable":                                                      nil,
		prefix + "dial tcp 127.0.0.1:18025: +491701234567: connect: connection refused":                         nil,
		"rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing\"":      nil,
	} {
		err := classify(errors.New(text), "+491701234567")
		if want == nil && !noResponse(err) || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", text, err)
		}
		if s := err.Error(); len(s) > 200 || s == "" || strings.Contains(s, "+491701234567") {
			t.Errorf("error text %q", s)
		}
	}
}
