package sidecar

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"

	"sidecart/kit/fault"
)

// Breaker is a circuit breaker for calls to one app: while the app is unavailable, callers fail immediately, and the
// app is not flooded when it returns. Any response of the app itself counts as a success, such as 401 for a wrong
// password.
type Breaker struct {
	steps *gobreaker.TwoStepCircuitBreaker[any]
}

const (
	failuresToOpen = 5               // in a row
	openFor        = 2 * time.Second // the Retry-After of ErrUpstream; then one call is allowed
)

// NewBreaker makes a closed breaker for one app.
func NewBreaker(app string) *Breaker {
	return &Breaker{gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name: app, MaxRequests: 1, Timeout: openFor,
		ReadyToTrip:  func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= failuresToOpen },
		IsSuccessful: func(err error) bool { return !isUnavailable(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) }, // the caller's decision, no failure of the app
		OnStateChange: func(name string, from, to gobreaker.State) {
			slog.Warn("circuit breaker changed state", "service", name, "from", from.String(), "to", to.String())
		},
	})}
}

// Allow lets one call through; done must be called with its error. It fails with ErrUpstream while the breaker is
// open.
func (b *Breaker) Allow() (done func(error), err error) {
	done, err = b.steps.Allow()
	if err != nil {
		return nil, ErrUpstream.Wrap(err)
	}
	return done, nil
}

// isUnavailable reports whether an error means that the app, or a sidecar on the way to it, did not respond.
func isUnavailable(err error) bool {
	return errors.Is(err, ErrUpstream) || errors.Is(err, fault.ErrTimedOut)
}
