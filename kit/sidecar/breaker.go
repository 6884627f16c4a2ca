package sidecar

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"

	"sidecart/kit/fault"
)

// Breaker stops calls to an app that does not answer, so that callers fail immediately and the app is not flooded when
// it returns. Only silence counts: a response of the app itself, be it a hundred wrong passwords, is no failure.
type Breaker struct {
	steps *gobreaker.TwoStepCircuitBreaker[any]
}

const (
	failuresToOpen = 5               // in a row
	openFor        = 2 * time.Second // as long as ErrUpstream's Retry-After says; then one call finds out
)

// NewBreaker makes a closed breaker for one app.
func NewBreaker(app string) *Breaker {
	return &Breaker{gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name: app, MaxRequests: 1, Timeout: openFor,
		ReadyToTrip:  func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= failuresToOpen },
		IsSuccessful: func(err error) bool { return !silent(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) }, // says nothing of the app
		OnStateChange: func(name string, from, to gobreaker.State) {
			slog.Warn("breaker", "service", name, "from", from.String(), "to", to.String())
		},
	})}
}

// Allow lets one call through; leave must be called with its error. It fails with ErrUpstream while the breaker is
// open.
func (b *Breaker) Allow() (leave func(error), err error) {
	leave, err = b.steps.Allow()
	if err != nil {
		return nil, ErrUpstream.Wrap(err)
	}
	return leave, nil
}

// silent says whether an error means that the app, or a sidecar on the way to it, did not answer.
func silent(err error) bool { return errors.Is(err, ErrUpstream) || errors.Is(err, fault.ErrTimedOut) }
