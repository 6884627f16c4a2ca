// Package lockout is how often somebody may guess a password: per name, whether there is such an account or not, and per
// address.
package lockout

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"sidecart/kit/fault"
)

// ErrLocked tells somebody to wait before they try again. It is the same for names that do not exist.
var ErrLocked = fault.New(fault.Locked, "sign_in_locked", "too many wrong passwords; wait before you try again")

// Policy is how many failures within Window lock a name or an address, and for how long: Duration after the last one
// that was free, twice as long after each one more, up to MaxDuration.
type Policy struct {
	NameFailures, AddressFailures int
	Duration, MaxDuration, Window time.Duration
}

const (
	knownAddressTTL   = 90 * 24 * time.Hour // since the last sign-in from an address
	maxKnownAddresses = 8                   // addresses known of one name
	attemptLease      = 30 * time.Second    // a try that has not ended by then has failed
)

// counter is what is counted. Pending tries are those whose password is being looked at. Until is the end of a lock, Last the
// time of the last failure, Failures what was counted then.
type counter struct {
	Failures float64   `json:"n,omitempty"`
	Pending  int       `json:"p,omitempty"`
	Lease    time.Time `json:"lease,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	Last     time.Time `json:"last,omitzero"`
}

// failures fade to nothing over a window: a steady n failures a window never count as more than n.
func (t *counter) failures(now time.Time, p Policy) float64 {
	return t.Failures * max(0, 1-now.Sub(t.Last).Seconds()/p.Window.Seconds())
}

// begin lets a try go on, which is pending then. Else it says how long a lock still lasts, or that it is too early to say,
// because the pending ones, if they all fail, are all that are free.
func (t *counter) begin(now time.Time, free int, p Policy) (locked time.Duration, early bool) {
	if t.Pending > 0 && now.After(t.Lease) {
		for lost := t.Pending; lost > 0; lost-- {
			t.fail(t.Lease, free, p)
		}
	}
	if now.Before(t.Until) {
		return t.Until.Sub(now), false
	}
	if t.Pending > 0 && roundUp(t.failures(now, p))+t.Pending >= free {
		return 0, true
	}
	t.Pending++
	t.Lease = now.Add(attemptLease)
	return 0, false
}

// fail ends a pending try as a failure, and locks from the free-th on.
func (t *counter) fail(now time.Time, free int, p Policy) {
	t.cancel()
	t.Failures, t.Last = t.failures(now, p)+1, now
	if over := roundUp(t.Failures) - free; over >= 0 {
		t.Until = now.Add(p.lockDuration(over))
	}
}

// roundUp rounds up: what has just begun to fade is as good as new.
func roundUp(failures float64) int { return int(math.Ceil(failures)) }

// cancel ends a pending try as nothing.
func (t *counter) cancel() { t.Pending = max(0, t.Pending-1) }

// reset takes the failures back.
func (t *counter) reset() { *t = counter{Pending: t.Pending, Lease: t.Lease} }

// lockDuration doubles with each failure over the free ones.
func (p Policy) lockDuration(over int) time.Duration {
	wait := p.Duration
	for range over {
		if wait *= 2; wait >= p.MaxDuration {
			return p.MaxDuration
		}
	}
	return min(wait, p.MaxDuration)
}

// record is what is remembered of a name. An address that the owner signed in from is counted apart from all others, so
// that strangers who guess cannot lock the owner out at home.
type record struct {
	Unknown counter                 `json:"strangers,omitzero"`
	Known   map[string]knownAddress `json:"known,omitempty"`
}

type knownAddress struct {
	counter
	Seen time.Time `json:"seen"`
}

// isKnown says whether the owner signed in from an address lately.
func (r *record) isKnown(address string, now time.Time) bool {
	k, ok := r.Known[address]
	return ok && now.Sub(k.Seen) < knownAddressTTL
}

// update changes the tally of a known address, or that of all strangers.
func (r *record) update(address string, isKnown bool, change func(*counter)) {
	if !isKnown {
		change(&r.Unknown)
		return
	}
	if k, ok := r.Known[address]; ok { // or it was pushed out meanwhile
		change(&k.counter)
		r.Known[address] = k
	}
}

// addKnown makes an address known, with no failures. Strangers are forgiven only if the owner was one of them: while
// somebody guesses, the owner's sign-ins at home must not give them a fresh start.
func (r *record) addKnown(address string, wasKnown bool, now time.Time) {
	r.update(address, wasKnown, func(t *counter) { t.cancel(); t.reset() })
	if r.Known == nil {
		r.Known = map[string]knownAddress{}
	}
	k := r.Known[address]
	k.Seen = now
	r.Known[address] = k
	maps.DeleteFunc(r.Known, func(_ string, k knownAddress) bool { return now.Sub(k.Seen) >= knownAddressTTL })
	for len(r.Known) > maxKnownAddresses {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(r.Known)), func(a, b string) int { return r.Known[a].Seen.Compare(r.Known[b].Seen) })
		delete(r.Known, oldest)
	}
}

// reset takes every failure back and leaves the known addresses.
func (r *record) reset() {
	r.Unknown.reset()
	for address := range r.Known {
		r.update(address, true, (*counter).reset)
	}
}

// addressGroup is what is counted of an address: a household has a whole /64 of IPv6 addresses.
func addressGroup(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		return netip.PrefixFrom(addr, 64).Masked().String()
	}
	return addr.String()
}
