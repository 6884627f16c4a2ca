package sidecar

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"

	"sidecart/kit/fault"
)

// Breaker stops asking an app that does not answer, so that callers are told at once and the app is not drowned as it
// comes back. Only silence counts: what an app itself refuses, be it a hundred wrong passwords, is an answer.
type Breaker struct {
	steps *gobreaker.TwoStepCircuitBreaker[any]
}

const (
	failuresToOpen = 5               // in a row
	openFor        = 2 * time.Second // as long as ErrNeighbour's Retry-After says; then one question finds out
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

// Enter lets one question through; leave must be called with what came of it. It fails with ErrNeighbour while the app
// is not asked.
func (b *Breaker) Enter() (leave func(error), err error) {
	leave, err = b.steps.Allow()
	if err != nil {
		return nil, ErrNeighbour.Because(err)
	}
	return leave, nil
}

// silent says whether an error means that the app, or a sidecar on the way to it, did not answer.
func silent(err error) bool { return errors.Is(err, ErrNeighbour) || errors.Is(err, fault.ErrTimedOut) }
