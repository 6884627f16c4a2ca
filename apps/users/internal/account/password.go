package account

import (
	"context"
	"errors"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/semaphore"

	"sidecart/kit/fault"
)

// maxPassword is how many bytes bcrypt reads; what is longer is refused rather than cut.
const maxPassword = 72

// longestWait is how long a password waits for its turn; a change of password waits twice. Who is told to try again is answered,
// while a longer silence would look to the services that ask as if this one were gone, and they would stop asking, for everybody.
const longestWait = 3 * time.Second

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

// Renew is Hash for a hash that can be made another time: it fails with ErrBusy at once where another is being made.
func (p *Passwords) Renew(password string) ([]byte, error) {
	if !p.slots.TryAcquire(1) {
		return nil, ErrBusy
	}
	defer p.slots.Release(1)
	return bcrypt.GenerateFromPassword([]byte(normal(password)), p.cost)
}

// turn waits until there is a slot. It fails with ErrBusy after longestWait, or if ctx ends before.
func (p *Passwords) turn(ctx context.Context) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return nil, ErrBusy.Because(err)
	}
	return func() { p.slots.Release(1) }, nil
}

// Hash fails with ErrInvalid for a password that bcrypt would not read to its end, or ErrBusy if it is not its turn in time.
func (p *Passwords) Hash(ctx context.Context, password string) ([]byte, error) {
	password = normal(password)
	if len(password) > maxPassword {
		return nil, fault.ErrInvalid.With("password", tooLong)
	}
	done, err := p.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return bcrypt.GenerateFromPassword([]byte(password), p.cost)
}

// Check fails with ErrCredentials unless password is what hash was made of; an empty hash, of a user who does not exist,
// takes the same time, and so does one of a lower cost. It fails with ErrBusy if it is not its turn in time.
func (p *Passwords) Check(ctx context.Context, hash []byte, password string) error {
	password = normal(password)
	done, err := p.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	known := len(hash) > 0 && len(password) <= maxPassword // bcrypt would not look at the rest
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
