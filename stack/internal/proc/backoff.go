package proc

import "time"

// Backoff says how long to wait before a process that died is started again: from Least, doubling up to Most, and from
// Least again after it was well for Reset.
type Backoff struct {
	Least, Most, Reset time.Duration
	next               time.Duration
}

// DefaultBackoff is the platform's.
func DefaultBackoff() Backoff {
	return Backoff{Least: 200 * time.Millisecond, Most: 5 * time.Second, Reset: 10 * time.Second}
}

// Next is the wait after a life that lasted that long.
func (b *Backoff) Next(lasted time.Duration) time.Duration {
	if b.next == 0 || lasted >= b.Reset {
		b.next = b.Least
	}
	wait := b.next
	b.next = min(2*b.next, b.Most)
	return wait
}
