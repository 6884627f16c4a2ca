package lockout

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// Attempt is one try at a password. It counts as a failure from its beginning, so that a hundred tries at once are a
// hundred; whoever began it says how it ended.
type Attempt struct {
	s             *Service
	name, address string // as they are kept
	until         time.Time
}

// Begin counts a try. It fails with ErrLocked and Retry-After where the address, or the name for such addresses, has
// failed too often, the same for names that nobody has.
func (s *Service) Begin(ctx context.Context, name, address string) (*Attempt, error) {
	a := &Attempt{s: s, name: s.mac("name", name), address: s.mac("address", group(address))}
	now := s.now()
	var wait time.Duration
	err := s.change(ctx, a.address, s.policy.Memory+s.policy.Most, func(r *record) {
		if wait = r.Strangers.locked(now); wait == 0 {
			r.Strangers.count(now, s.policy.Address, s.policy)
		}
	})
	if err != nil || wait > 0 {
		return nil, lockedFor(wait, err)
	}
	err = s.change(ctx, a.name, knownFor, func(r *record) {
		t, isKnown := r.at(a.address, now)
		if wait = t.locked(now); wait > 0 {
			a.until = t.Until
			return
		}
		t.count(now, s.policy.Name, s.policy)
		a.until = t.Until
		r.set(a.address, isKnown, t)
	})
	if err != nil {
		return nil, err
	}
	if wait > 0 {
		return a, lockedFor(wait, nil)
	}
	return a, nil
}

func lockedFor(wait time.Duration, err error) error {
	if err != nil {
		return err
	}
	return ErrLocked.After(int(math.Ceil(wait.Seconds())))
}

// Until is the end of the lock that the attempt met or, if it failed, has begun; zero if there is none.
func (a *Attempt) Until() time.Time {
	if a == nil {
		return time.Time{}
	}
	return a.until
}

// Succeeded takes the count back and remembers the address as the owner's.
func (a *Attempt) Succeeded(ctx context.Context) error {
	if err := a.s.change(ctx, a.name, knownFor, func(r *record) { r.welcome(a.address, a.s.now()) }); err != nil {
		return err
	}
	return a.undoAddress(ctx)
}

// Undecided takes the count back: the password was not looked at.
func (a *Attempt) Undecided(ctx context.Context) error {
	err := a.s.change(ctx, a.name, knownFor, func(r *record) {
		t, isKnown := r.at(a.address, a.s.now())
		t.undo(a.s.policy.Name)
		r.set(a.address, isKnown, t)
	})
	if err != nil {
		return err
	}
	return a.undoAddress(ctx)
}

// undoAddress takes back one count and not all: or whoever has an account of their own could guess at others' for ever.
func (a *Attempt) undoAddress(ctx context.Context) error {
	p := a.s.policy
	return a.s.change(ctx, a.address, p.Memory+p.Most, func(r *record) { r.Strangers.undo(p.Address) })
}

// Forgive lifts the locks of names and forgets their failures.
func (s *Service) Forgive(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := s.change(ctx, s.mac("name", name), knownFor, (*record).forgive); err != nil {
			return err
		}
	}
	return nil
}

// Forget leaves nothing of names, known addresses included.
func (s *Service) Forget(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := s.change(ctx, s.mac("name", name), time.Second, func(r *record) { *r = record{} }); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) change(ctx context.Context, key string, ttl time.Duration, fn func(*record)) error {
	return s.store.Change(ctx, key, ttl, func(old []byte) ([]byte, error) {
		var r record
		if old != nil {
			if err := json.Unmarshal(old, &r); err != nil {
				r = record{} // what nobody can read locks nobody
			}
		}
		fn(&r)
		return json.Marshal(r)
	})
}

func (s *Service) mac(kind, text string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(kind + ":" + text))
	return kind + "-" + hex.EncodeToString(mac.Sum(nil)[:16])
}
