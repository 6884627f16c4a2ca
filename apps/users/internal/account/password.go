package account

import (
	"context"
	"errors"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/semaphore"

	"sidecart/kit/fault"
)

// maxPassword is how many bytes bcrypt reads; what is longer is refused rather than cut.
const maxPassword = 72

// Passwords hashes and checks passwords, only so many at a time, so that a flood of sign-ins leaves the service's other
// routes their share of the processor.
type Passwords struct {
	cost   int
	slots  *semaphore.Weighted
	decoys map[int][]byte // by cost, up to ours: what unknown users' passwords are compared with, so that they take as long
}

// NewPasswords uses a bcrypt cost (each step doubles the time) and hashes at most atOnce at a time.
func NewPasswords(cost, atOnce int) *Passwords {
	cost = min(max(cost, bcrypt.MinCost), bcrypt.MaxCost)
	p := &Passwords{cost: cost, slots: semaphore.NewWeighted(int64(atOnce)), decoys: map[int][]byte{}}
	for c := bcrypt.MinCost; c <= cost; c++ {
		decoy, err := bcrypt.GenerateFromPassword([]byte("nobody's password"), c)
		if err != nil {
			panic(err) // only for a cost out of range
		}
		p.decoys[c] = decoy
	}
	return p
}

// Hash fails with ErrInvalid for a password that bcrypt would not read to its end, or ErrBusy if ctx ends before it is
// its turn.
func (p *Passwords) Hash(ctx context.Context, password string) ([]byte, error) {
	password = normal(password)
	if len(password) > maxPassword {
		return nil, fault.ErrInvalid.With("password", tooLong)
	}
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return nil, ErrBusy.Because(err)
	}
	defer p.slots.Release(1)
	return bcrypt.GenerateFromPassword([]byte(password), p.cost)
}

// Check fails with ErrCredentials unless password is what hash was made of; an empty hash, of a user who does not exist,
// takes the same time, and so does one of a lower cost. It fails with ErrBusy if ctx ends before it is its turn.
func (p *Passwords) Check(ctx context.Context, hash []byte, password string) error {
	password = normal(password)
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return ErrBusy.Because(err)
	}
	defer p.slots.Release(1)
	known := len(hash) > 0 && len(password) <= maxPassword // bcrypt would not look at the rest
	if !known {
		hash = p.decoys[p.cost]
	}
	err := bcrypt.CompareHashAndPassword(hash, []byte(password))
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
