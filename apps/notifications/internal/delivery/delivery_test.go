package delivery

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sidecart/kit/web"
)

func pageOf(limit int) web.PageQuery { return web.PageQuery{Limit: limit} }

func TestJudge(t *testing.T) {
	now := time.Now()
	fresh := Job{Attempts: 1, GiveUpAt: now.Add(time.Hour)}
	old, tired := fresh, fresh
	old.GiveUpAt, tired.Refusals = now.Add(-time.Second), maxRefusals-1
	for _, c := range []struct {
		name    string
		d       Job
		err     error
		state   State
		outcome outcome
	}{
		{"yes", fresh, nil, Sent, outcomeSent},
		{"no", fresh, ErrRefused, Dead, outcomeRefused},
		{"not now", fresh, fmt.Errorf("%w: 451", ErrTemporary), Waiting, outcomeRefused},
		{"not now, too often", tired, ErrTemporary, Dead, outcomeRefused},
		{"because of us", tired, fmt.Errorf("%w: 401", ErrSenderRejected), Waiting, outcomeRefused},
		{"because of us, for a day", old, ErrSenderRejected, Dead, outcomeRefused},
		{"silence", tired, errors.New("timeout"), Waiting, outcomeFailed},
		{"silence for a day", old, errors.New("timeout"), Dead, outcomeFailed},
		{"no such channel", fresh, ErrNotConfigured, Skipped, outcomeSkipped},
		{"no reason any more", fresh, ErrObsolete, Skipped, outcomeSkipped},
	} {
		if v := decide(c.d, c.err, now); v.state != c.state || v.outcome != c.outcome || v.state == Waiting && v.retryIn <= 0 {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
}

func TestPause(t *testing.T) {
	for attempts, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 1000: maxBackoff} {
		if got := backoff(attempts); got < want/2 || got > want*3/2 {
			t.Errorf("after %d attempts %s, want about %s", attempts, got, want)
		}
	}
}

func TestWhatABindingSays(t *testing.T) {
	const daprs = "error invoking binding sms/create: rpc error: code = Internal desc = error invoking output binding sms: "
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
		daprs + "dial tcp 127.0.0.1:18025: +491701234567: connect: connection refused":                          nil,
		"rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing\"":      nil,
	} {
		err := classify(errors.New(text), "+491701234567")
		if want == nil && !unanswered(err) || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", text, err)
		}
		if s := err.Error(); len(s) > 200 || s == "" || strings.Contains(s, "+491701234567") {
			t.Errorf("says %s", s)
		}
	}
}
