// Package lockout is how often somebody may guess a password: per name, whether there is such an account or not, and per
// address.
package lockout

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"sidecart/kit/fault"
)

// ErrLocked tells somebody to wait before they try again. It is the same for names that do not exist.
var ErrLocked = fault.New(fault.Locked, "sign_in_locked", "too many wrong passwords; wait before you try again")

// Policy is how many failures lock, and for how long: First after the last one that was free, twice as long after each
// one more, up to Most. Failures are forgotten when the last is Memory ago.
type Policy struct {
	Name, Address       int
	First, Most, Memory time.Duration
}

const (
	knownFor  = 90 * 24 * time.Hour // since the last sign-in from an address
	mostKnown = 8                   // addresses known of one name
)

// tally is what is counted. Until is the end of a lock, Last the time of the last failure.
type tally struct {
	Failures int       `json:"n,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	Last     time.Time `json:"last,omitzero"`
}

// locked is how long a lock still lasts, or 0.
func (t tally) locked(now time.Time) time.Duration { return max(0, t.Until.Sub(now)) }

// count counts a failure and locks from the free-th on.
func (t *tally) count(now time.Time, free int, p Policy) {
	if now.Sub(t.Last) > p.Memory {
		*t = tally{}
	}
	t.Failures++
	t.Last = now
	if over := t.Failures - free; over >= 0 {
		t.Until = now.Add(p.wait(over))
	}
}

// undo takes back a count that turned out to be none, and the lock that it may have begun.
func (t *tally) undo(free int) {
	t.Failures = max(0, t.Failures-1)
	if t.Failures < free {
		t.Until = time.Time{}
	}
}

// wait doubles with each failure over the free ones.
func (p Policy) wait(over int) time.Duration {
	wait := p.First
	for range over {
		if wait *= 2; wait >= p.Most {
			return p.Most
		}
	}
	return min(wait, p.Most)
}

// record is what is remembered of a name. An address that the owner signed in from is counted apart from all others, so
// that strangers who guess cannot lock the owner out at home.
type record struct {
	Strangers tally            `json:"strangers,omitzero"`
	Known     map[string]known `json:"known,omitempty"`
}

type known struct {
	tally
	Seen time.Time `json:"seen"`
}

// at is what counts for an address: its own tally where it is known, else that of all strangers.
func (r *record) at(address string, now time.Time) (t tally, isKnown bool) {
	if k, ok := r.Known[address]; ok && now.Sub(k.Seen) < knownFor {
		return k.tally, true
	}
	return r.Strangers, false
}

func (r *record) set(address string, isKnown bool, t tally) {
	if !isKnown {
		r.Strangers = t
		return
	}
	k := r.Known[address]
	k.tally = t
	r.Known[address] = k
}

// welcome makes an address known, with nothing counted. Strangers are forgiven only if the owner was one of them: while
// somebody guesses, the owner's sign-ins at home must not give them a fresh start.
func (r *record) welcome(address string, now time.Time) {
	if _, isKnown := r.at(address, now); !isKnown {
		r.Strangers = tally{}
	}
	if r.Known == nil {
		r.Known = map[string]known{}
	}
	r.Known[address] = known{Seen: now}
	maps.DeleteFunc(r.Known, func(_ string, k known) bool { return now.Sub(k.Seen) >= knownFor })
	for len(r.Known) > mostKnown {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(r.Known)), func(a, b string) int { return r.Known[a].Seen.Compare(r.Known[b].Seen) })
		delete(r.Known, oldest)
	}
}

// forgive takes every count back and leaves the known addresses.
func (r *record) forgive() {
	r.Strangers = tally{}
	for address, k := range r.Known {
		r.Known[address] = known{Seen: k.Seen}
	}
}

// group is what is counted of an address: a household has a whole /64 of IPv6 addresses.
func group(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		network, err := addr.Prefix(64)
		if err == nil {
			return network.String()
		}
	}
	return addr.String()
}
