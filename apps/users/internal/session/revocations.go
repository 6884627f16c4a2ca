package session

import (
	"context"
	"encoding/hex"
	"hash/fnv"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/auth"
)

// signal wakes all requests that wait for the next ended session or signing key.
type signal struct {
	mu   sync.Mutex
	next chan struct{}
}

func newSignal() *signal { return &signal{next: make(chan struct{})} }

// wait returns a channel that the next broadcast closes.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

func (s *signal) broadcast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.next)
	s.next = make(chan struct{})
}

// longPoll is the longest wait of a request for revocations. It is short, so that a client soon notices a replica that
// has stopped responding.
const longPoll = time.Second

// Revocations returns the signing keys and the ended sessions whose access tokens may still be valid. With a cursor it
// returns only what changed since, as soon as something changes or after longPoll.
func (s *Service) Revocations(ctx context.Context, since string) (auth.Update, error) {
	timeout := time.NewTimer(longPoll)
	defer timeout.Stop()
	for {
		changed := s.changed.wait()
		update, at, err := s.readRevocations(ctx, since)
		if err != nil || since == "" || at.differs(since) {
			return update, err
		}
		select {
		case <-changed:
		case <-timeout.C:
			return update, nil
		case <-ctx.Done():
			return update, nil
		}
	}
}

func (s *Service) readRevocations(ctx context.Context, since string) (auth.Update, cursor, error) {
	ttl := s.lifetimes.revocationTTL()
	ended, horizon, err := endedSince(ctx, s.db, parseCursor(since).horizon, ttl)
	if err != nil {
		return auth.Update{}, cursor{}, err
	}
	keys := s.signer.JWKS()
	at := cursor{horizon, digestOfKeys(keys), digestOf(ended, 0), digestOf(ended, horizon)}
	update := auth.Update{
		Issuer: s.signer.Issuer, JWKS: keys, Cursor: at.String(),
		EndedSessions: []uuid.UUID{}, TTLSeconds: int(ttl.Seconds()),
	}
	for _, e := range ended {
		update.EndedSessions = append(update.EndedSessions, e.ID)
	}
	return update, at, nil
}

// cursor is a client's position in the feed. All transactions before the horizon have ended. Later ones may have been
// sent; they are repeated until the horizon has passed them.
type cursor struct {
	horizon       int64
	keys          string // digest of the key set
	all, repeated string // digests of the sessions in a response, and of those that the next response repeats
}

func (c cursor) String() string {
	return strconv.FormatInt(c.horizon, 10) + "." + c.keys + "." + c.repeated
}

// parseCursor returns the start of the feed for an invalid cursor.
func parseCursor(text string) (c cursor) {
	horizon, rest, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(horizon, 10, 64)
	if err != nil || n < 0 {
		return c
	}
	c.horizon = n
	c.keys, c.repeated, _ = strings.Cut(rest, ".")
	return c
}

// differs reports whether the response at c has anything that the client at since has not received.
func (c cursor) differs(since string) bool {
	before := parseCursor(since)
	return c.keys != before.keys || c.all != before.repeated
}

func digestOf(ended []endedSession, horizon int64) string {
	h := fnv.New64a()
	for _, e := range ended {
		if e.EndedIn >= horizon {
			_, _ = h.Write(e.ID[:]) // never fails
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func digestOfKeys(set auth.JWKS) string {
	h := fnv.New64a()
	for _, k := range set.Keys {
		_, _ = h.Write([]byte(k.ID)) // never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Watch listens for ended sessions and new keys of all replicas until ctx ends. While the database is unavailable,
// waiting requests query it a few times a second.
func (s *Service) Watch(ctx context.Context) error {
	for ctx.Err() == nil {
		err := listen(ctx, s.db.Pool, func() {
			if err := s.LoadKeys(ctx); err != nil && ctx.Err() == nil {
				slog.WarnContext(ctx, "signing keys not reloaded, keeping the known ones", "err", err)
			}
			s.changed.broadcast()
		})
		if ctx.Err() == nil {
			slog.WarnContext(ctx, "not listening for ended sessions, polling", "err", err)
		}
		s.changed.broadcast()
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}
