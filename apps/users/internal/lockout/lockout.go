// Package lockout limits failed sign-ins by account, or by name where there is no such account, and by address.
package lockout

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Subject is whose failures are counted together: an account, or a name that no account has. Both behave alike, so that
// a lock does not reveal whether there is an account.
type Subject struct{ kind, text string }

// Account is the subject of all names of an account: the username and the e-mail address in every spelling.
func Account(id shop.UserID) Subject { return Subject{"account", id.String()} }

// Name is the subject of a name without an account, in the form in which names are compared.
func Name(name string) Subject { return Subject{"name", name} }

// ErrLocked means that the subject or the address is locked. It is the same for unknown names.
var ErrLocked = fault.New(fault.Locked, "sign_in_locked", "too many wrong passwords: wait before you try again")

// Policy sets after how many failures within Window a subject or an address is locked: for Duration, and twice as long
// after each further failure, up to MaxDuration.
type Policy struct {
	NameFailures, AddressFailures int
	Duration, MaxDuration, Window time.Duration
}

const (
	knownAddressTTL   = 90 * 24 * time.Hour // after the last sign-in from it
	maxKnownAddresses = 8                   // of a subject
	attemptLease      = 30 * time.Second    // an attempt that has not ended by then counts as failed
)

// counter counts attempts. Pending attempts have started and not ended. Failures is the count at LastFailure.
type counter struct {
	Failures    float64   `json:"n,omitempty"`
	Pending     int       `json:"p,omitempty"`
	LeaseUntil  time.Time `json:"lease,omitzero"`
	LockedUntil time.Time `json:"until,omitzero"`
	LastFailure time.Time `json:"last,omitzero"`
}

// failures decays to zero over the window: a steady rate of n failures a window never counts as more than n.
func (c *counter) failures(now time.Time, p Policy) float64 {
	return c.Failures * max(0, 1-now.Sub(c.LastFailure).Seconds()/p.Window.Seconds())
}

// begin starts an attempt. Otherwise it returns how long the lock lasts, or tooMany if all remaining attempts are
// pending.
func (c *counter) begin(now time.Time, limit int, p Policy) (locked time.Duration, tooMany bool) {
	for c.Pending > 0 && now.After(c.LeaseUntil) {
		c.fail(c.LeaseUntil, limit, p)
	}
	if now.Before(c.LockedUntil) {
		return c.LockedUntil.Sub(now), false
	}
	if c.Pending > 0 && roundUp(c.failures(now, p))+c.Pending >= limit {
		return 0, true
	}
	c.Pending++
	c.LeaseUntil = now.Add(attemptLease)
	return 0, false
}

// fail ends an attempt as failed, and locks from the limit on.
func (c *counter) fail(now time.Time, limit int, p Policy) {
	c.cancel()
	c.Failures, c.LastFailure = c.failures(now, p)+1, now
	if over := roundUp(c.Failures) - limit; over >= 0 {
		c.LockedUntil = now.Add(p.lockDuration(over))
	}
}

// roundUp counts a decayed failure as a whole one.
func roundUp(failures float64) int { return int(math.Ceil(failures)) }

// cancel ends an attempt without counting it.
func (c *counter) cancel() { c.Pending = max(0, c.Pending-1) }

// reset removes failures and the lock, and keeps pending attempts.
func (c *counter) reset() { *c = counter{Pending: c.Pending, LeaseUntil: c.LeaseUntil} }

// lockDuration doubles with each failure over the limit.
func (p Policy) lockDuration(over int) time.Duration {
	return time.Duration(min(math.Ldexp(float64(p.Duration), over), float64(p.MaxDuration)))
}

// record is what is stored of a subject. An address that the owner has signed in from has its own counter, so that
// failures from other addresses do not lock the owner out there.
type record struct {
	Unknown counter                 `json:"unknown,omitzero"` // of all other addresses
	Known   map[string]knownAddress `json:"known,omitempty"`
}

type knownAddress struct {
	counter
	Seen time.Time `json:"seen"`
}

// isKnown reports whether the owner has recently signed in from an address.
func (r *record) isKnown(address string, now time.Time) bool {
	k, ok := r.Known[address]
	return ok && now.Sub(k.Seen) < knownAddressTTL
}

// update changes the counter of a known address, or the one of all unknown addresses.
func (r *record) update(address string, isKnown bool, change func(*counter)) {
	if !isKnown {
		change(&r.Unknown)
		return
	}
	if k, ok := r.Known[address]; ok { // false if it was replaced meanwhile
		change(&k.counter)
		r.Known[address] = k
	}
}

// addKnown makes an address known and resets the counter that the attempt used. It does not reset the counter of
// unknown addresses after a sign-in from a known one: that would help an attacker.
func (r *record) addKnown(address string, wasKnown bool, now time.Time) {
	r.update(address, wasKnown, func(c *counter) { c.cancel(); c.reset() })
	if r.Known == nil {
		r.Known = map[string]knownAddress{}
	}
	k := r.Known[address]
	k.Seen = now
	r.Known[address] = k
	maps.DeleteFunc(r.Known, func(_ string, k knownAddress) bool { return now.Sub(k.Seen) >= knownAddressTTL })
	for len(r.Known) > maxKnownAddresses {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(r.Known)), func(a, b string) int {
			return r.Known[a].Seen.Compare(r.Known[b].Seen)
		})
		delete(r.Known, oldest)
	}
}

// reset resets all counters and keeps the known addresses.
func (r *record) reset() {
	r.Unknown.reset()
	for address := range r.Known {
		r.update(address, true, (*counter).reset)
	}
}

// addressGroup returns what is counted as one address: a household has a whole /64 of IPv6 addresses.
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
