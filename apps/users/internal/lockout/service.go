package lockout

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"time"
)

// Service counts for all replicas.
type Service struct {
	store  Store
	key    []byte // names and addresses are kept as MACs under it
	policy Policy
	now    func() time.Time
}

// NewService counts in a store. key is secret, so that the store has no names to read or to guess.
func NewService(store Store, key []byte, policy Policy) *Service {
	return &Service{store, key, policy, time.Now}
}

// Attempt is one try at a password. It is pending until whoever began it says how it ended, and no more are pending at once
// than may fail, so that of a hundred tries at once no more are looked at than one after the other.
type Attempt struct {
	s             *Service
	name, address string // as they are kept
	known         bool   // the address is the owner's
	counted       bool   // at the address
	until         time.Time
}

// Begin starts a try, and waits while it is too early to say whether it may. It fails with ErrLocked and Retry-After
// where the address, or the name for such addresses, has failed too often, the same for names that nobody has; and with
// ErrContended where it is still too early when ctx is about to end. The lock of an address does not hold for a name
// whose owner signed in from there.
func (s *Service) Begin(ctx context.Context, name, address string) (*Attempt, error) {
	a := &Attempt{s: s, name: s.mac("name", name), address: s.mac("address", addressGroup(address))}
	err := s.begin(ctx, a.address, func(r *record, now time.Time) (time.Duration, bool) {
		return r.Unknown.begin(now, s.policy.AddressFailures, s.policy)
	})
	a.counted = err == nil
	if errors.Is(err, ErrLocked) {
		known, failed := s.isKnown(ctx, a)
		if failed != nil || !known {
			return nil, errors.Join(failed, err)
		}
	} else if err != nil {
		return nil, err
	}
	err = s.begin(ctx, a.name, func(r *record, now time.Time) (locked time.Duration, early bool) {
		a.known = r.isKnown(a.address, now)
		r.update(a.address, a.known, func(t *counter) {
			locked, early = t.begin(now, s.policy.NameFailures, s.policy)
			a.until = t.Until
		})
		return locked, early
	})
	if err == nil {
		return a, nil
	}
	return a, errors.Join(err, a.updateAddress(ctx, (*counter).cancel))
}

// isKnown says whether the owner of a name signed in from the address lately.
func (s *Service) isKnown(ctx context.Context, a *Attempt) (known bool, err error) {
	err = s.change(ctx, a.name, func(r *record) { known = r.isKnown(a.address, s.now()) })
	return known, err
}

// begin begins on a record as soon as it is not too early.
func (s *Service) begin(ctx context.Context, key string, begin func(*record, time.Time) (time.Duration, bool)) error {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 300*time.Millisecond) {
		var locked time.Duration
		var early bool
		now := s.now()
		err := s.change(ctx, key, func(r *record) { locked, early = begin(r, now) })
		switch {
		case err != nil:
			return err
		case locked > 0:
			return ErrLocked.WithRetryAfter(int(math.Ceil(locked.Seconds())))
		case !early:
			return nil
		}
		select {
		case <-ctx.Done():
			return ErrConflict.Wrap(ctx.Err())
		case <-time.After(pause):
		}
	}
}

// Until is the end of the lock that the attempt met; zero if there is none.
func (a *Attempt) Until() time.Time {
	if a == nil || a.until.Before(a.s.now()) {
		return time.Time{}
	}
	return a.until
}

// Failed counts the try. until is the end of the lock that it began; zero if it began none.
func (a *Attempt) Failed(ctx context.Context) (until time.Time, err error) {
	now := a.s.now()
	err = a.s.change(ctx, a.name, func(r *record) {
		r.update(a.address, a.known, func(t *counter) {
			t.fail(now, a.s.policy.NameFailures, a.s.policy)
			until = t.Until
		})
	})
	if err != nil {
		return until, err
	}
	if until.Before(now) {
		until = time.Time{}
	}
	return until, a.updateAddress(ctx, func(t *counter) { t.fail(now, a.s.policy.AddressFailures, a.s.policy) })
}

// Succeeded forgets the name's failures at such addresses and remembers the address as the owner's. The address's own
// failures stay: or whoever has an account could guess at others' for ever.
func (a *Attempt) Succeeded(ctx context.Context) error {
	err := a.s.change(ctx, a.name, func(r *record) { r.addKnown(a.address, a.known, a.s.now()) })
	return errors.Join(err, a.updateAddress(ctx, (*counter).cancel))
}

// Undecided ends the try as nothing: the password was not looked at.
func (a *Attempt) Undecided(ctx context.Context) error {
	err := a.s.change(ctx, a.name, func(r *record) { r.update(a.address, a.known, (*counter).cancel) })
	return errors.Join(err, a.updateAddress(ctx, (*counter).cancel))
}

func (a *Attempt) updateAddress(ctx context.Context, how func(*counter)) error {
	if !a.counted {
		return nil
	}
	return a.s.change(ctx, a.address, func(r *record) { how(&r.Unknown) })
}

// Reset lifts the locks of names and forgets their failures.
func (s *Service) Reset(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := s.change(ctx, s.mac("name", name), (*record).reset); err != nil {
			return err
		}
	}
	return nil
}

// Erase leaves nothing of names, known addresses included.
func (s *Service) Erase(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := s.change(ctx, s.mac("name", name), func(r *record) { *r = record{} }); err != nil {
			return err
		}
	}
	return nil
}

// change keeps a record for as long as it could matter: names that somebody made up are gone after a day.
func (s *Service) change(ctx context.Context, key string, fn func(*record)) error {
	return s.store.Change(ctx, key, func(old []byte) ([]byte, time.Duration, error) {
		var r record
		if old != nil {
			if err := json.Unmarshal(old, &r); err != nil {
				r = record{} // what nobody can read locks nobody
			}
		}
		fn(&r)
		next, err := json.Marshal(r)
		if len(r.Known) > 0 {
			return next, knownAddressTTL, err
		}
		return next, s.policy.Window + s.policy.MaxDuration, err
	})
}

func (s *Service) mac(kind, text string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(kind + ":" + text))
	return kind + "-" + hex.EncodeToString(mac.Sum(nil)[:16])
}
