package delivery

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"
)

// Message is a rendered notification for a provider.
type Message struct {
	ID        ID        // the same in each attempt; of a digest, its first job
	MessageID uuid.UUID // the same for the same content: in each attempt, and of a digest for the same items
	To        string    // an e-mail address or a number; empty for push
	Job       Job
	Title     string
	Body      string
	HTML      string
	Link      string
	OneClick  string // unsubscribes with one POST (RFC 8058); empty if the kind cannot be turned off
	OptedOut  []ID   // jobs of a digest that are not in it, because the user does not want them any more
}

// Send sends a message, and returns the provider's response once it has accepted it. It fails with ErrRefused,
// ErrTemporary, ErrNotConfigured or ErrObsolete if the provider responded, and with any other error if it did not.
type Send func(ctx context.Context, m Message) (response string, err error)

// Provider sends the messages of a channel.
type Provider struct {
	Name        string
	Send        Send
	Concurrency int     // messages that are sent concurrently, in each replica
	PerSecond   float64 // limit in each replica
}

const (
	failuresToOpen = 3 // consecutive
	openTimeout    = 2 * time.Second
)

// provider is a Provider with its limits.
type provider struct {
	Provider
	breaker          *gobreaker.TwoStepCircuitBreaker[any]
	limiter          *rate.Limiter
	slots            chan struct{}
	slotFreed        chan struct{} // receives after a slot was freed
	databaseFailedAt atomic.Int64  // Unix milliseconds
}

func newProvider(p Provider) *provider {
	concurrency := max(1, p.Concurrency)
	breaker := gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name: p.Name, MaxRequests: 1, Timeout: openTimeout,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresToOpen },
		IsSuccessful: func(err error) bool { return !noResponse(err) && !errors.Is(err, ErrSenderRejected) },
		OnStateChange: func(name string, from, to gobreaker.State) {
			slog.Warn("circuit breaker changed state", "provider", name, "from", from.String(), "to", to.String())
		},
	})
	return &provider{
		Provider: p, breaker: breaker, limiter: rate.NewLimiter(rate.Limit(p.PerSecond), concurrency),
		slots: make(chan struct{}, concurrency), slotFreed: make(chan struct{}, 1),
	}
}

// noResponse is whether an error is not a response of a provider.
func noResponse(err error) bool {
	var later deferred
	return err != nil && !errors.As(err, &later) && !errors.Is(err, ErrRefused) && !errors.Is(err, ErrTemporary) &&
		!errors.Is(err, ErrNotConfigured) && !errors.Is(err, ErrObsolete)
}

func (p *provider) freeSlot() {
	<-p.slots
	select {
	case p.slotFreed <- struct{}{}:
	default:
	}
}

func (p *provider) recordDatabaseFailure() { p.databaseFailedAt.Store(time.Now().UnixMilli()) }

// mayTakeExpired is whether jobs whose lease has ended may be claimed: not right after an outage of the database.
// During the outage leases ended although their workers run, and those get the time to record their results.
func (p *provider) mayTakeExpired() bool {
	return time.Since(time.UnixMilli(p.databaseFailedAt.Load())) > outageGrace
}
