package account

import (
	"context"
	"errors"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/semaphore"
)

// maxPassword is how many bytes bcrypt reads; what is longer is refused rather than cut.
const maxPassword = 72

// Passwords hashes and checks passwords, only so many at a time, so that a flood of sign-ins leaves the service's other
// routes their share of the processor.
type Passwords struct {
	cost  int
	slots *semaphore.Weighted
	decoy []byte // the hash that unknown users' passwords are compared with, so that they take as long
}

// NewPasswords uses a bcrypt cost (each step doubles the time) and hashes at most atOnce at a time.
func NewPasswords(cost, atOnce int) *Passwords {
	cost = min(max(cost, bcrypt.MinCost), bcrypt.MaxCost)
	decoy, err := bcrypt.GenerateFromPassword([]byte("nobody's password"), cost)
	if err != nil {
		panic(err) // only for a cost out of range
	}
	return &Passwords{cost: cost, slots: semaphore.NewWeighted(int64(atOnce)), decoy: decoy}
}

// Hash fails with ErrLongPass, or ErrBusy if ctx ends before it is its turn.
func (p *Passwords) Hash(ctx context.Context, password string) ([]byte, error) {
	if len(password) > maxPassword {
		return nil, ErrLongPass
	}
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return nil, ErrBusy.Because(err)
	}
	defer p.slots.Release(1)
	return bcrypt.GenerateFromPassword([]byte(password), p.cost)
}

// Check fails with ErrCredentials unless password is what hash was made of; a nil hash, of a user who does not exist,
// takes the same time. It fails with ErrBusy if ctx ends before it is its turn.
func (p *Passwords) Check(ctx context.Context, hash []byte, password string) error {
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return ErrBusy.Because(err)
	}
	defer p.slots.Release(1)
	known := hash != nil
	if !known {
		hash = p.decoy
	}
	err := bcrypt.CompareHashAndPassword(hash, []byte(password))
	switch {
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword), errors.Is(err, bcrypt.ErrPasswordTooLong), err == nil && !known:
		return ErrCredentials
	}
	return err
}
