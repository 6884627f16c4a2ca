// Package delivery sends notifications by e-mail, push and SMS. Each notification on each channel is a job: a row that
// a worker of any replica claims and sends, at least once, until the provider accepts or rejects it.
package delivery

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Errors of the admin routes.
var (
	ErrNotFound = fault.New(fault.NotFound, "delivery_not_found", "there is no such delivery")
	ErrNotDead  = fault.New(fault.Conflict, "delivery_not_dead", "only a dead delivery can be retried")
)

// The errors of Send and Render. After any other error of a Send the outcome is unknown: the message may have arrived.
var (
	// ErrRefused is a permanent failure: the provider rejects this message.
	ErrRefused = errors.New("refused")
	// ErrTemporary is a temporary failure: the provider responds that a later attempt may succeed.
	ErrTemporary = errors.New("temporary failure")
	// ErrSenderRejected is a temporary failure that is not about the message: the provider rejects the sender (wrong
	// credentials, no money on the account, too many requests) until an operator corrects it.
	ErrSenderRejected = fmt.Errorf("sender rejected (%w)", ErrTemporary)
	// ErrNotConfigured means that the channel is not configured in this environment.
	ErrNotConfigured = errors.New("not configured")
	// ErrObsolete means that there is nothing to send any more.
	ErrObsolete = errors.New("obsolete")
	// errOptedOut: the user turned this kind off after the job was enqueued.
	errOptedOut = fmt.Errorf("%w: the user has turned this kind off", ErrObsolete)
	// errNotReady: the message cannot be rendered now. The provider was not called.
	errNotReady = errors.New("not ready")
	// errUnknownUser: another event about the user was consumed before users.registered.
	errUnknownUser = fmt.Errorf("%w: the user's registration has not been consumed yet", errNotReady)
)

// deferred means that a message may not be sent before a time.
type deferred struct{ until time.Time }

func (d deferred) Error() string { return "deferred until " + d.until.UTC().Format(time.RFC3339) }

// ID is the UUIDv7 of a delivery. Within an ordering key a later delivery has a larger one.
type ID struct{ uuid.UUID }

// Priority is the order in which jobs are claimed. Jobs with the same ordering key (user, channel and priority) are
// sent one after the other; jobs of different priority do not wait for each other.
type Priority int

// The priorities.
const (
	Urgent   Priority = 0 // ignores quiet hours
	Ordinary Priority = 1
	Digest   Priority = 2 // all due jobs of an ordering key are sent as one message
)

// State is the state of a delivery.
type State string

// The states. Sent, Dead and Skipped are final, but an admin can retry a dead delivery.
const (
	StateWaiting State = "waiting"
	StateSending State = "sending"
	StateSent    State = "sent"
	StateDead    State = "dead"    // rejected permanently, too often or for too long
	StateSkipped State = "skipped" // the channel is not configured, or there is nothing to send any more
)

// Job is a delivery as the queue stores it.
type Job struct {
	ID             ID
	NotificationID uuid.UUID // the same on all channels
	UserID         shop.UserID
	Kind           string
	Channel        kind.Channel
	Priority       Priority
	Variables      template.Variables
	Path           string     // of the link, relative to the public URL; empty for no link
	RequestID      *uuid.UUID // for which the users service issues the link's token
	OrderID        *uuid.UUID `db:"-"` // the order that it is about; set only when it is enqueued
	Address        string     // overrides the contact's address
	State          State
	Reason         string
	Attempts       int
	Refusals       int // attempts with an ErrTemporary or ErrRefused that is about the message
	GiveUpAt       time.Time

	LeasedUntil time.Time // identifies the claim: a later claim has another value
}

const (
	lease          = time.Minute      // for which a worker owns a job; three times attemptTimeout
	attemptTimeout = 20 * time.Second // for rendering, waiting for the rate limit and sending
	maxRefusals    = 8
	maxAge         = 24 * time.Hour // from when the job was due
	firstBackoff   = time.Second
	maxBackoff     = 5 * time.Minute
	maxResponse    = 300 // characters of a provider's response that are stored
)

// attemptOutcome is the result of an attempt, as the history shows it.
type attemptOutcome string

const (
	outcomeSent    attemptOutcome = "sent"
	outcomeRefused attemptOutcome = "refused"
	outcomeFailed  attemptOutcome = "failed"
	outcomeUnknown attemptOutcome = "unknown" // the worker stopped during the attempt; the message may have been sent
	outcomeSkipped attemptOutcome = "skipped"
)

// decision is what follows from an attempt.
type decision struct {
	result       attemptOutcome
	state        State
	reason       string
	retryIn      time.Duration // where the state is Waiting
	countRefusal bool
	sentWith     ID        // the first job of the digest that this one was sent in
	deferUntil   time.Time // if set, the job was not attempted, and only the state is set too
}

// decide decides by the error of an attempt.
func decide(job Job, err error, now time.Time) decision {
	var later deferred
	switch {
	case errors.As(err, &later):
		return decision{state: StateWaiting, deferUntil: later.until}
	case err == nil:
		return decision{result: outcomeSent, state: StateSent}
	case errors.Is(err, ErrNotConfigured), errors.Is(err, ErrObsolete):
		return decision{result: outcomeSkipped, state: StateSkipped, reason: err.Error()}
	case errors.Is(err, ErrRefused):
		return decision{result: outcomeRefused, state: StateDead, reason: err.Error(), countRefusal: true}
	}
	d := decision{
		result: outcomeFailed, state: StateWaiting, reason: err.Error(), retryIn: min(backoff(job.Attempts), 15*time.Second),
	}
	switch {
	case errors.Is(err, errUnknownUser): // consuming the registration makes the job due
		d.retryIn = backoff(job.Attempts)
	case errors.Is(err, ErrSenderRejected):
		d.result, d.retryIn = outcomeRefused, backoff(job.Attempts)
	case errors.Is(err, ErrTemporary):
		d.result, d.countRefusal, d.retryIn = outcomeRefused, true, backoff(job.Refusals+1)
		if job.Refusals+1 >= maxRefusals {
			d.state, d.reason = StateDead, "too many temporary failures: "+d.reason
		}
	}
	if d.state == StateWaiting && now.After(job.GiveUpAt) {
		d.state, d.reason = StateDead, "not sent within a day: "+d.reason
	}
	return d
}

// backoff is the time until the next attempt: exponential, with a jitter of 50 %.
func backoff(attempts int) time.Duration {
	wait := min(firstBackoff<<min(max(attempts-1, 0), 20), maxBackoff)
	return time.Duration(float64(wait) * (0.5 + rand.Float64())) //nolint:gosec // jitter needs no cryptographic randomness
}

// truncate shortens a provider's response to maxResponse, and removes what Postgres does not store in a text.
func truncate(response string) string {
	runes := []rune(strings.ToValidUTF8(strings.ReplaceAll(response, "\x00", ""), "\uFFFD"))
	return string(runes[:min(len(runes), maxResponse)])
}
