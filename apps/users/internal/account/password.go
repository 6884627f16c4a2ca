package account

import (
	"context"
	"errors"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/semaphore"

	"sidecart/kit/fault"
)

// maxPasswordBytes is how much bcrypt reads. Longer passwords are refused rather than truncated.
const maxPasswordBytes = 72

// maxWait is how long a password waits for a slot. Two waits, as a change of password needs, stay below the timeout of
// callers: slower responses would open their circuit breakers and stop the sign-ins of all users.
const maxWait = 3 * time.Second

// Passwords hashes and checks passwords. It limits concurrency, so that a flood of sign-ins leaves processor time for
// other routes. Registrations have a slot of their own, so that a flood of them does not stop sign-ins.
type Passwords struct {
	cost          int
	signIns       *semaphore.Weighted
	registrations *semaphore.Weighted
	decoys        map[int][]byte // hashes by cost, for unknown users and hashes of a lower cost
}

// NewPasswords uses a bcrypt cost (each step doubles the time), and hashes at most concurrency passwords at a time and
// one of a registration.
func NewPasswords(cost, concurrency int) *Passwords {
	cost = min(max(cost, bcrypt.MinCost), bcrypt.MaxCost)
	p := &Passwords{
		cost: cost, signIns: semaphore.NewWeighted(int64(concurrency)), registrations: semaphore.NewWeighted(1),
		decoys: map[int][]byte{},
	}
	for c := bcrypt.MinCost; c <= cost; c++ {
		decoy, err := bcrypt.GenerateFromPassword([]byte("a decoy's password"), c)
		if err != nil {
			panic(err) // only for a cost out of range
		}
		p.decoys[c] = decoy
	}
	return p
}

// Hash waits for a slot. It fails with ErrInvalid for a password that is too long, or ErrBusy without a slot in time.
func (p *Passwords) Hash(ctx context.Context, password string) ([]byte, error) {
	return p.hash(ctx, p.signIns, password)
}

// HashRegistration is Hash for a registration.
func (p *Passwords) HashRegistration(ctx context.Context, password string) ([]byte, error) {
	return p.hash(ctx, p.registrations, password)
}

// Rehash is Hash without waiting: it fails with ErrBusy if no slot is free.
func (p *Passwords) Rehash(password string) ([]byte, error) {
	if !p.signIns.TryAcquire(1) {
		return nil, ErrBusy
	}
	defer p.signIns.Release(1)
	return bcrypt.GenerateFromPassword([]byte(normalizePassword(password)), p.cost)
}

func (p *Passwords) hash(ctx context.Context, slots *semaphore.Weighted, password string) ([]byte, error) {
	password = normalizePassword(password)
	if len(password) > maxPasswordBytes {
		return nil, fault.ErrInvalid.With("password", tooLong)
	}
	if err := acquire(ctx, slots); err != nil {
		return nil, err
	}
	defer slots.Release(1)
	return bcrypt.GenerateFromPassword([]byte(password), p.cost)
}

// acquire takes a slot. It fails with ErrBusy after maxWait, or if ctx ends before.
func acquire(ctx context.Context, slots *semaphore.Weighted) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if err := slots.Acquire(ctx, 1); err != nil {
		return ErrBusy.Wrap(err)
	}
	return nil
}

// Check fails with ErrCredentials unless hash is that of the password. An empty hash, of an unknown user, and a hash of
// a lower cost take the same time. It fails with ErrBusy without a slot in time.
func (p *Passwords) Check(ctx context.Context, hash []byte, password string) error {
	password = normalizePassword(password)
	if err := acquire(ctx, p.signIns); err != nil {
		return err
	}
	defer p.signIns.Release(1)
	valid := len(hash) > 0 && len(password) <= maxPasswordBytes // bcrypt would ignore the rest
	if !valid {
		hash = p.decoys[p.cost]
	}
	err := bcrypt.CompareHashAndPassword(hash, []byte(password))
	// A hash of cost c took 2^c. Those of c, c+1 ... up to the current cost - 1 take the rest of the time.
	for c := costOf(hash); c > 0 && c < p.cost; c++ {
		_ = bcrypt.CompareHashAndPassword(p.decoys[c], []byte(password))
	}
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) || !valid {
		return ErrCredentials
	}
	return err
}

// Outdated reports whether a hash has another cost than the current one.
func (p *Passwords) Outdated(hash []byte) bool { return costOf(hash) != p.cost }

// costOf returns 0 for what is no hash.
func costOf(hash []byte) int {
	cost, _ := bcrypt.Cost(hash)
	return cost
}
