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
	// ErrPutOff is a no for now.
	ErrPutOff = errors.New("put off")
	// ErrOfUs is a no that has nothing to do with the message: it comes to every one alike until somebody sets right what is wrong
	// with us.
	ErrOfUs = fmt.Errorf("%w because of us", ErrPutOff)
	// ErrAbsent tells that the channel is not configured here.
	ErrAbsent = errors.New("not configured")
	// ErrNeedless tells that there is nothing to send any more.
	ErrNeedless = errors.New("not needed")
	// errUnwanted is why what its reader turned off after it was planned is needless.
	errUnwanted = fmt.Errorf("%w: its reader does not want it any more", ErrNeedless)
	// errUnprepared tells that something the letter needs cannot be had at the moment; the provider has no part in it.
	errUnprepared = errors.New("not ready")
	// errUnknown tells that something else was heard of a reader before their registration.
	errUnknown = fmt.Errorf("%w: their registration was not heard yet", errUnprepared)
)

// held tells that a letter may not go out before a moment.
type held struct{ until time.Time }

func (h held) Error() string { return "held until " + h.until.UTC().Format(time.RFC3339) }

// ID is the UUIDv7 of a delivery; within a lane a later one has a larger one.
type ID struct{ uuid.UUID }

// Lane is what keeps order: deliveries of one person, channel and lane go out one after the other.
type Lane int

// Nothing that is urgent waits behind what is held for the morning.
const (
	Urgent   Lane = 0
	Ordinary Lane = 1
	Digest   Lane = 2 // gathered: all that are due go out as one
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

// Delivery is one message on one channel.
type Delivery struct {
	ID        ID
	MessageID uuid.UUID // the same on all channels
	UserID    shop.UserID
	Kind      string
	Channel   kind.Channel
	Lane      Lane
	Facts     template.Facts
	Path      string     // of the link, at the public address; empty for none
	RequestID *uuid.UUID // what users gives the link's key for
	OrderID   *uuid.UUID `db:"-"` // that it is about; only when it is planned
	Address   string     // where to, if not where the contact says
	State     State
	Reason    string
	Attempts  int
	Refusals  int // attempts that were answered, with no
	GiveUpAt  time.Time

	LeasedUntil time.Time // of who was given it to send; another has it with another
}

const (
	lease       = time.Minute      // for which a worker has a delivery to itself; three times what an attempt may take
	patience    = 20 * time.Second // for one attempt: whatever it waits for ends then
	maxRefusals = 8
	maxAge      = 24 * time.Hour // from when it was due
	firstPause  = time.Second
	longestWait = 5 * time.Minute
)

// outcome is what became of an attempt, in the words of the history.
type outcome string

const (
	yes     outcome = "sent"
	no      outcome = "refused"
	silence outcome = "failed"
	unknown outcome = "unknown" // whoever tried has died; it may have been sent
	nothing outcome = "skipped"
)

// verdict is what an attempt leads to.
type verdict struct {
	outcome outcome
	state   State
	reason  string
	again   time.Duration // until the next attempt, where the state is Waiting
	refused bool
	with    ID        // that the letter goes by
	until   time.Time // it is held and was not attempted; all but the state is empty
}

// judge decides by what the provider said.
func judge(d Delivery, err error, now time.Time) verdict {
	var h held
	switch {
	case errors.As(err, &h):
		return verdict{state: Waiting, until: h.until}
	case err == nil:
		return verdict{outcome: yes, state: Sent}
	case errors.Is(err, ErrAbsent), errors.Is(err, ErrNeedless):
		return verdict{outcome: nothing, state: Skipped, reason: err.Error()}
	case errors.Is(err, ErrRefused):
		return verdict{outcome: no, state: Dead, reason: err.Error(), refused: true}
	}
	v := verdict{outcome: silence, state: Waiting, reason: err.Error(), again: min(pause(d.Attempts), 15*time.Second)}
	switch {
	case errors.Is(err, errUnknown): // whoever hears it lets them go at once
		v.again = pause(d.Attempts)
	case errors.Is(err, ErrOfUs):
		v.outcome, v.again = no, pause(d.Attempts)
	case errors.Is(err, ErrPutOff):
		v.outcome, v.refused, v.again = no, true, pause(d.Refusals+1)
		if d.Refusals+1 >= maxRefusals {
			v.state, v.reason = Dead, "put off too often: "+v.reason
		}
	}
	if v.state == Waiting && now.After(d.GiveUpAt) {
		v.state, v.reason = Dead, "not within a day: "+v.reason
	}
	return v
}

// pause is how long to wait after so many attempts: doubling, and a half more or less, so that what failed together does
// not come back together.
func pause(attempts int) time.Duration {
	wait := min(firstPause<<min(max(attempts-1, 0), 20), longestWait)
	return time.Duration(float64(wait) * (0.5 + rand.Float64())) //nolint:gosec // to spread, not to hide
}

// shorten keeps what a provider says within what a person reads, and a database takes.
func shorten(answer string) string {
	runes := []rune(strings.ToValidUTF8(strings.ReplaceAll(answer, "\x00", ""), "\uFFFD"))
	return string(runes[:min(len(runes), 300)])
}
