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

// Service counts the attempts of all replicas.
type Service struct {
	store  Store
	key    []byte
	policy Policy
	now    func() time.Time
}

// NewService returns a service on a store. It stores subjects and addresses as MACs with a secret key.
func NewService(store Store, key []byte, policy Policy) *Service {
	return &Service{store, key, policy, time.Now}
}

// Attempt is a sign-in whose password is being checked. It is pending until Failed, Succeeded or Cancel. No more
// attempts are pending than may fail, so that concurrent attempts cannot exceed the limit.
type Attempt struct {
	s                *Service
	subject, address string // as stored
	known            bool   // the address is a known one of the subject
	counted          bool   // at the address
	until            time.Time
}

// Begin starts an attempt. It waits while all remaining attempts are pending, and fails with ErrConflict if that lasts
// until ctx ends. It fails with ErrLocked and Retry-After if the subject or the address is locked; a locked address
// does not lock the subjects of which it is a known address.
func (s *Service) Begin(ctx context.Context, of Subject, address string) (*Attempt, error) {
	a := &Attempt{s: s, subject: s.macOf(of), address: s.mac("address", addressGroup(address))}
	err := s.begin(ctx, a.address, func(r *record, now time.Time) (time.Duration, bool) {
		return r.Unknown.begin(now, s.policy.AddressFailures, s.policy)
	})
	a.counted = err == nil
	if errors.Is(err, ErrLocked) {
		known := false
		failed := s.change(ctx, a.subject, func(r *record) { known = r.isKnown(a.address, s.now()) })
		if failed != nil || !known {
			return nil, errors.Join(failed, err)
		}
	} else if err != nil {
		return nil, err
	}
	err = s.begin(ctx, a.subject, func(r *record, now time.Time) (locked time.Duration, tooMany bool) {
		a.known = r.isKnown(a.address, now)
		r.update(a.address, a.known, func(c *counter) {
			locked, tooMany = c.begin(now, s.policy.NameFailures, s.policy)
			a.until = c.LockedUntil
		})
		return locked, tooMany
	})
	if err == nil {
		return a, nil
	}
	return a, errors.Join(err, a.updateAddress(ctx, (*counter).cancel))
}

// begin calls start until there are not too many pending attempts.
func (s *Service) begin(
	ctx context.Context, key string, start func(*record, time.Time) (locked time.Duration, tooMany bool),
) error {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 300*time.Millisecond) {
		var locked time.Duration
		var tooMany bool
		now := s.now()
		err := s.change(ctx, key, func(r *record) { locked, tooMany = start(r, now) })
		switch {
		case err != nil:
			return err
		case locked > 0:
			return ErrLocked.WithRetryAfter(int(math.Ceil(locked.Seconds())))
		case !tooMany:
			return nil
		}
		select {
		case <-ctx.Done():
			return ErrConflict.Wrap(ctx.Err())
		case <-time.After(pause):
		}
	}
}

// LockedUntil returns the end of the lock that refused the attempt; zero if there is none.
func (a *Attempt) LockedUntil() time.Time {
	if a == nil || a.until.Before(a.s.now()) {
		return time.Time{}
	}
	return a.until
}

// Failed counts the attempt. It returns the end of the lock that it starts; zero if it starts none.
func (a *Attempt) Failed(ctx context.Context) (until time.Time, err error) {
	now := a.s.now()
	err = a.s.change(ctx, a.subject, func(r *record) {
		r.update(a.address, a.known, func(c *counter) {
			c.fail(now, a.s.policy.NameFailures, a.s.policy)
			until = c.LockedUntil
		})
	})
	if err != nil {
		return until, err
	}
	if until.Before(now) {
		until = time.Time{}
	}
	return until, a.updateAddress(ctx, func(c *counter) { c.fail(now, a.s.policy.AddressFailures, a.s.policy) })
}

// Succeeded resets the failures of the subject and makes the address a known one. The failures of the address stay:
// otherwise an attacker could reset them with an own account.
func (a *Attempt) Succeeded(ctx context.Context) error {
	err := a.s.change(ctx, a.subject, func(r *record) { r.addKnown(a.address, a.known, a.s.now()) })
	return errors.Join(err, a.updateAddress(ctx, (*counter).cancel))
}

// Cancel ends the attempt without counting it: the password was not checked.
func (a *Attempt) Cancel(ctx context.Context) error {
	err := a.s.change(ctx, a.subject, func(r *record) { r.update(a.address, a.known, (*counter).cancel) })
	return errors.Join(err, a.updateAddress(ctx, (*counter).cancel))
}

func (a *Attempt) updateAddress(ctx context.Context, update func(*counter)) error {
	if !a.counted {
		return nil
	}
	return a.s.change(ctx, a.address, func(r *record) { update(&r.Unknown) })
}

// Reset removes the lock and the failures of a subject.
func (s *Service) Reset(ctx context.Context, of Subject) error {
	return s.change(ctx, s.macOf(of), (*record).reset)
}

// Erase removes all that is stored of a subject.
func (s *Service) Erase(ctx context.Context, of Subject) error {
	return s.change(ctx, s.macOf(of), func(r *record) { *r = record{} })
}

// change stores a record for as long as it can have an effect.
func (s *Service) change(ctx context.Context, key string, fn func(*record)) error {
	return s.store.Change(ctx, key, func(current []byte) ([]byte, time.Duration, error) {
		var r record
		if current != nil {
			if err := json.Unmarshal(current, &r); err != nil {
				r = record{} // an unreadable record locks no subject
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

func (s *Service) macOf(of Subject) string { return s.mac(of.kind, of.text) }

func (s *Service) mac(kind, text string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(kind + ":" + text))
	return kind + "-" + hex.EncodeToString(mac.Sum(nil)[:16])
}
