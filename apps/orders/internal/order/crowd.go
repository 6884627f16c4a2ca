package order

import (
	"sync/atomic"
	"time"
)

// crowd notices when so many buy at once that they wait for one another. Then placing goes first, and what comes after it
// (charging, mails) waits, for a while.
//
// It is a hint of this process about itself: nothing is wrong where another replica, or a wrong guess, sees it otherwise.
type crowd struct {
	within time.Duration // how soon an order should be placed; zero where nothing is held back
	inside atomic.Int64  // orders that are being placed
	slow   atomic.Int64  // when placing last took too long, in nanoseconds since 1970
}

const (
	several = 8                      // buyers at once; fewer do not wait for one another, whatever takes them long
	lasts   = 250 * time.Millisecond // of a crowd, after the last order that took too long
	longest = 10 * time.Second       // that an event is held back
)

// leave ends what began when inside grew by one. Who was refused says nothing about those who are not.
func (c *crowd) leave(began, now time.Time, placed bool) {
	if c.inside.Add(-1) >= several-1 && placed && c.within > 0 && now.Sub(began) > c.within {
		c.slow.Store(now.UnixNano())
	}
}

func (c *crowd) hold(now time.Time) time.Duration {
	if ago := now.Sub(time.Unix(0, c.slow.Load())); ago >= 0 && ago < lasts { // less than zero where the clock was set back
		return longest
	}
	return 0
}

// PlaceFirst has events wait, for some seconds at most, while a crowd's orders take longer than this to be placed.
// Without it, none waits.
func (s *Service) PlaceFirst(within time.Duration) { s.crowd.within = within }

// Hold is how old an event must be to go out at this moment: any age, or some seconds while a crowd buys.
func (s *Service) Hold() time.Duration { return s.crowd.hold(time.Now()) }
