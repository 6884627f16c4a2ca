// Package delivery brings messages to people outside the platform: each one on each channel is a row, which some worker of
// some replica sends, once after a provider's yes, and again and again until then.
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

// What can go wrong with a delivery.
var (
	ErrNotFound = fault.New(fault.NotFound, "delivery_not_found", "there is no such delivery")
	ErrNotDead  = fault.New(fault.Conflict, "delivery_not_dead", "only a delivery that was given up can be tried again")
)

// What a provider, or whoever prepares a letter, can say instead of yes. Any other error is silence: nobody knows whether
// somebody got something.
var (
	// ErrRefused is a no that will stay one.
	ErrRefused = errors.New("refused")
	// ErrTemporary is a no for now.
	ErrTemporary = errors.New("put off")
	// ErrSenderRejected is a no that has nothing to do with the message: it comes to every one alike until somebody sets right what is wrong
	// with us.
	ErrSenderRejected = fmt.Errorf("%w because of us", ErrTemporary)
	// ErrNotConfigured tells that the channel is not configured here.
	ErrNotConfigured = errors.New("not configured")
	// ErrObsolete tells that there is nothing to send any more.
	ErrObsolete = errors.New("not needed")
	// errOptedOut is why what its reader turned off after it was planned is needless.
	errOptedOut = fmt.Errorf("%w: its reader does not want it any more", ErrObsolete)
	// errNotReady tells that something the letter needs cannot be had at the moment; the provider has no part in it.
	errNotReady = errors.New("not ready")
	// errUnknownUser tells that something else was heard of a reader before their registration.
	errUnknownUser = fmt.Errorf("%w: their registration was not heard yet", errNotReady)
)

// deferred tells that a letter may not go out before a moment.
type deferred struct{ until time.Time }

func (h deferred) Error() string { return "held until " + h.until.UTC().Format(time.RFC3339) }

// ID is the UUIDv7 of a delivery; within a lane a later one has a larger one.
type ID struct{ uuid.UUID }

// Priority is what keeps order: deliveries of one person, channel and lane go out one after the other.
type Priority int

// Nothing that is urgent waits behind what is held for the morning.
const (
	Urgent   Priority = 0
	Ordinary Priority = 1
	Digest   Priority = 2 // gathered: all that are due go out as one
)

// State is how far a delivery has come.
type State string

// The states. Sent, Dead and Skipped are ends; a dead one can be brought back by an admin.
const (
	Waiting State = "waiting"
	Sending State = "sending"
	Sent    State = "sent"
	Dead    State = "dead"    // refused for good, or too often, or for too long
	Skipped State = "skipped" // there was nobody to send it to, or nothing to send it with, or no reason any more
)

// Job is one message on one channel.
type Job struct {
	ID             ID
	NotificationID uuid.UUID `db:"message_id"` // the same on all channels
	UserID         shop.UserID
	Kind           string
	Channel        kind.Channel
	Priority       Priority           `db:"lane"`
	Variables      template.Variables `db:"facts"`
	Path           string             // of the link, at the public address; empty for none
	RequestID      *uuid.UUID         // what users gives the link's key for
	OrderID        *uuid.UUID         `db:"-"` // that it is about; only when it is planned
	Address        string             // where to, if not where the contact says
	State          State
	Reason         string
	Attempts       int
	Refusals       int // attempts that were answered, with no
	GiveUpAt       time.Time

	LeasedUntil time.Time // of who was given it to send; another has it with another
}

const (
	lease          = time.Minute      // for which a worker has a delivery to itself; three times what an attempt may take
	attemptTimeout = 20 * time.Second // for one attempt: whatever it waits for ends then
	maxRefusals    = 8
	maxAge         = 24 * time.Hour // from when it was due
	firstBackoff   = time.Second
	maxBackoff     = 5 * time.Minute
)

// outcome is what became of an attempt, in the words of the history.
type outcome string

const (
	outcomeSent    outcome = "sent"
	outcomeRefused outcome = "refused"
	outcomeFailed  outcome = "failed"
	outcomeUnknown outcome = "unknown" // whoever tried has died; it may have been sent
	outcomeSkipped outcome = "skipped"
)

// decision is what an attempt leads to.
type decision struct {
	outcome      outcome
	state        State
	reason       string
	retryIn      time.Duration // until the next attempt, where the state is Waiting
	countRefusal bool
	sentWith     ID        // that the letter goes by
	deferUntil   time.Time // it is held and was not attempted; all but the state is empty
}

// decide decides by what the provider said.
func decide(d Job, err error, now time.Time) decision {
	var h deferred
	switch {
	case errors.As(err, &h):
		return decision{state: Waiting, deferUntil: h.until}
	case err == nil:
		return decision{outcome: outcomeSent, state: Sent}
	case errors.Is(err, ErrNotConfigured), errors.Is(err, ErrObsolete):
		return decision{outcome: outcomeSkipped, state: Skipped, reason: err.Error()}
	case errors.Is(err, ErrRefused):
		return decision{outcome: outcomeRefused, state: Dead, reason: err.Error(), countRefusal: true}
	}
	v := decision{outcome: outcomeFailed, state: Waiting, reason: err.Error(), retryIn: min(backoff(d.Attempts), 15*time.Second)}
	switch {
	case errors.Is(err, errUnknownUser): // whoever hears it lets them go at once
		v.retryIn = backoff(d.Attempts)
	case errors.Is(err, ErrSenderRejected):
		v.outcome, v.retryIn = outcomeRefused, backoff(d.Attempts)
	case errors.Is(err, ErrTemporary):
		v.outcome, v.countRefusal, v.retryIn = outcomeRefused, true, backoff(d.Refusals+1)
		if d.Refusals+1 >= maxRefusals {
			v.state, v.reason = Dead, "put off too often: "+v.reason
		}
	}
	if v.state == Waiting && now.After(d.GiveUpAt) {
		v.state, v.reason = Dead, "not within a day: "+v.reason
	}
	return v
}

// backoff is how long to wait after so many attempts: doubling, and a half more or less, so that what failed together does
// not come back together.
func backoff(attempts int) time.Duration {
	wait := min(firstBackoff<<min(max(attempts-1, 0), 20), maxBackoff)
	return time.Duration(float64(wait) * (0.5 + rand.Float64())) //nolint:gosec // to spread, not to hide
}

// truncate keeps what a provider says within what a person reads, and a database takes.
func truncate(answer string) string {
	runes := []rune(strings.ToValidUTF8(strings.ReplaceAll(answer, "\x00", ""), "\uFFFD"))
	return string(runes[:min(len(runes), 300)])
}
