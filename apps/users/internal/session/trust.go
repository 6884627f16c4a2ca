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

// news wakes whoever waits for the next ended session or key.
type news struct {
	mu     sync.Mutex
	coming chan struct{}
}

func newNews() *news { return &news{coming: make(chan struct{})} }

// next is closed when there is something new.
func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.coming
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.coming)
	n.coming = make(chan struct{})
}

// longest is how long a question may wait for something new. It is short, so that whoever asks finds out soon that they ask
// somebody who has stopped answering.
const longest = time.Second

// Trust is what to go by when tokens are checked. Without a cursor it answers at once, with all sessions that ended while access
// tokens of theirs may live; with one, as soon as there is something new, or after a second without.
func (s *Service) Trust(ctx context.Context, cursor string) (auth.Update, error) {
	over := time.NewTimer(longest)
	defer over.Stop()
	for {
		coming := s.news.next()
		told, at, err := s.trust(ctx, cursor)
		if err != nil || cursor == "" || at.differs(cursor) {
			return told, err
		}
		select {
		case <-coming:
		case <-over.C:
			return told, nil
		case <-ctx.Done():
			return told, nil
		}
	}
}

func (s *Service) trust(ctx context.Context, cursor string) (auth.Update, position, error) {
	set := s.signer.JWKS()
	ended, horizon, err := endedSince(ctx, s.db, positionOf(cursor).horizon, s.lives.remember())
	if err != nil {
		return auth.Update{}, position{}, err
	}
	at := position{horizon: horizon, keys: digestOfKeys(set), told: digestOf(ended, 0), again: digestOf(ended, horizon)}
	t := auth.Update{Issuer: s.signer.Issuer, JWKS: set, Ended: []uuid.UUID{}, Remember: int(s.lives.remember().Seconds()), Cursor: at.String()}
	for _, e := range ended {
		t.Ended = append(t.Ended, e.ID)
	}
	return t, at, nil
}

// position is how far somebody has followed. All transactions before the horizon are over; of later ones some may have been told,
// and are told again until the horizon has passed them.
type position struct {
	horizon     int64
	keys        string
	told, again string // what an answer tells, and which part of it the next one tells again
}

func (p position) String() string {
	return strconv.FormatInt(p.horizon, 10) + "." + p.keys + "." + p.again
}

// positionOf is the beginning for what is no cursor.
func positionOf(cursor string) (p position) {
	horizon, rest, _ := strings.Cut(cursor, ".")
	n, err := strconv.ParseInt(horizon, 10, 64)
	if err != nil || n < 0 {
		return p
	}
	p.horizon = n
	p.keys, p.again, _ = strings.Cut(rest, ".")
	return p
}

// differs says whether the answer at p tells anything that the one before cursor did not.
func (p position) differs(cursor string) bool {
	before := positionOf(cursor)
	return p.keys != before.keys || p.told != before.again
}

func digestOf(ended []endedSession, from int64) string {
	h := fnv.New64a()
	for _, e := range ended {
		if e.EndedIn >= from {
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

// Watch hears from the database of each ended session and each key, whichever replica made it, until ctx ends. While it
// cannot, whoever waits looks for themselves a few times a second.
func (s *Service) Watch(ctx context.Context) error {
	for ctx.Err() == nil {
		err := listen(ctx, s.db.Pool, func() {
			if err := s.LoadKeys(ctx); err != nil && ctx.Err() == nil {
				slog.WarnContext(ctx, "signing keys cannot be read; the known ones stay", "err", err)
			}
			s.news.tell()
		})
		if ctx.Err() == nil {
			slog.WarnContext(ctx, "nothing is heard of ended sessions; looking meanwhile", "err", err)
		}
		s.news.tell()
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}
