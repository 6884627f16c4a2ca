package forward

import (
	"errors"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"

	"sidecart/kit/fault"
	"sidecart/kit/sidecar"
)

// breaker stops asking a service that does not answer, so that its callers are told at once and it is not drowned as it
// comes back. Only silence counts: what a service itself refuses, be it a hundred wrong passwords, is an answer.
type breaker struct {
	*gobreaker.TwoStepCircuitBreaker[any]
}

const (
	failuresToOpen = 5
	openFor        = 2 * time.Second // as long as ErrNeighbour's Retry-After says
)

func newBreaker(service string) *breaker {
	return &breaker{gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name: service, MaxRequests: 1, Timeout: openFor,
		ReadyToTrip:  func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= failuresToOpen },
		IsSuccessful: func(err error) bool { return !silent(err) },
		OnStateChange: func(name string, from, to gobreaker.State) {
			slog.Warn("breaker", "service", name, "from", from.String(), "to", to.String())
		},
	})}
}

// enter lets one request through, which must leave with what came of it. It fails with sidecar.ErrNeighbour while the
// service is not asked.
func (b *breaker) enter() (leave func(error), err error) {
	done, err := b.Allow()
	if err != nil {
		return nil, sidecar.ErrNeighbour.Because(err)
	}
	return done, nil
}

// silent says whether an error means that the service, or a sidecar on the way to it, did not answer. What a client can
// bring about by what it sends must not count, or anybody could close a service to everybody.
func silent(err error) bool {
	var byRequest refused
	if err == nil || errors.As(err, &byRequest) {
		return false
	}
	return errors.Is(err, sidecar.ErrNeighbour) || errors.Is(err, fault.ErrTimedOut)
}
