package account

import (
	"context"
	"errors"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/semaphore"

	"sidecart/kit/fault"
)

// maxPasswordBytes is how many bytes bcrypt reads; what is longer is refused rather than cut.
const maxPasswordBytes = 72

// maxWait is how long a password waits for its turn; a change of password waits twice. Who is told to try again is answered,
// while a longer silence would look to the services that ask as if this one were gone, and they would stop asking, for everybody.
const maxWait = 3 * time.Second

// Passwords hashes and checks passwords, only so many at a time, so that a flood of sign-ins leaves the service's other
// routes their share of the processor. Registrations, which cost nobody an account, have a slot of their own: a flood
// of them lets people who have one sign in.
type Passwords struct {
	cost          int
	signIns       *semaphore.Weighted
	registrations *semaphore.Weighted
	decoys        map[int][]byte // by cost, up to ours: what unknown users' passwords are compared with, so that they take as long
}

// NewPasswords uses a bcrypt cost (each step doubles the time) and hashes at most concurrency at a time, and one
// registration's.
func NewPasswords(cost, concurrency int) *Passwords {
	cost = min(max(cost, bcrypt.MinCost), bcrypt.MaxCost)
	p := &Passwords{cost: cost, signIns: semaphore.NewWeighted(int64(concurrency)), registrations: semaphore.NewWeighted(1), decoys: map[int][]byte{}}
	for c := bcrypt.MinCost; c <= cost; c++ {
		decoy, err := bcrypt.GenerateFromPassword([]byte("nobody's password"), c)
		if err != nil {
			panic(err) // only for a cost out of range
		}
		p.decoys[c] = decoy
	}
	return p
}

// Rehash is Hash for a hash that can be made another time: it fails with ErrBusy at once where another is being made.
func (p *Passwords) Rehash(password string) ([]byte, error) {
	if !p.signIns.TryAcquire(1) {
		return nil, ErrBusy
	}
	defer p.signIns.Release(1)
	return bcrypt.GenerateFromPassword([]byte(normalizePassword(password)), p.cost)
}

// acquire waits until there is a slot. It fails with ErrBusy after longestWait, or if ctx ends before.
func acquire(ctx context.Context, slots *semaphore.Weighted) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if err := slots.Acquire(ctx, 1); err != nil {
		return nil, ErrBusy.Wrap(err)
	}
	return func() { slots.Release(1) }, nil
}

// Hash fails with ErrInvalid for a password that bcrypt would not read to its end, or ErrBusy if it is not its turn in time.
func (p *Passwords) Hash(ctx context.Context, password string) ([]byte, error) {
	return p.hash(ctx, p.signIns, password)
}

// HashRegistration is Hash for a registration.
func (p *Passwords) HashRegistration(ctx context.Context, password string) ([]byte, error) {
	return p.hash(ctx, p.registrations, password)
}

func (p *Passwords) hash(ctx context.Context, slots *semaphore.Weighted, password string) ([]byte, error) {
	password = normalizePassword(password)
	if len(password) > maxPasswordBytes {
		return nil, fault.ErrInvalid.With("password", passwordTooLong)
	}
	done, err := acquire(ctx, slots)
	if err != nil {
		return nil, err
	}
	defer done()
	return bcrypt.GenerateFromPassword([]byte(password), p.cost)
}

// Check fails with ErrCredentials unless password is what hash was made of; an empty hash, of a user who does not exist,
// takes the same time, and so does one of a lower cost. It fails with ErrBusy if it is not its turn in time.
func (p *Passwords) Check(ctx context.Context, hash []byte, password string) error {
	password = normalizePassword(password)
	done, err := acquire(ctx, p.signIns)
	if err != nil {
		return err
	}
	defer done()
	known := len(hash) > 0 && len(password) <= maxPasswordBytes // bcrypt would not look at the rest
	if !known {
		hash = p.decoys[p.cost]
	}
	err = bcrypt.CompareHashAndPassword(hash, []byte(password))
	// A hash of cost c took 2^c; those of c, c+1 ... up to ours but one take the rest of ours.
	for c := costOf(hash); c > 0 && c < p.cost; c++ {
		_ = bcrypt.CompareHashAndPassword(p.decoys[c], []byte(password))
	}
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) || !known {
		return ErrCredentials
	}
	return err
}

// Outdated says whether a hash was made with another cost than passwords are hashed with now.
func (p *Passwords) Outdated(hash []byte) bool { return costOf(hash) != p.cost }

func costOf(hash []byte) int {
	cost, err := bcrypt.Cost(hash)
	if err != nil {
		return 0
	}
	return cost
}
