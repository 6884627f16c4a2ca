package auth

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/sidecar"
)

// Feed returns the changes since a cursor. With a cursor it may wait up to a second for a change.
type Feed func(ctx context.Context, cursor string) (Update, error)

var revocations = sidecar.Endpoint{App: "users", Method: "GET", Path: "/revocations?cursor={cursor}"}

// NewFeed reads the feed of the users service through the sidecar. Pass an invoke without a circuit breaker: it would
// delay updates after an outage.
func NewFeed(invoke sidecar.Invoke) Feed {
	return func(ctx context.Context, cursor string) (update Update, err error) {
		err = invoke(ctx, revocations.With(cursor), nil, &update)
		return update, err
	}
}

const (
	feedTimeout   = 2 * time.Second        // of a request; the server delays a response for at most half of it
	retryDelay    = 250 * time.Millisecond // after a failure
	minInterval   = 50 * time.Millisecond  // between requests, so that many ended sessions arrive in one update
	purgeInterval = time.Minute            // between removals of expired entries
	staleAfter    = 10 * time.Second       // without an update
)

// NewVerifier returns a Verifier that reads the feed once, at the first token.
func NewVerifier(feed Feed) *Verifier { return &Verifier{feed: feed} }

// Follow returns a Verifier that follows the feed until ctx ends.
//
// It verifies no token before the first update, which has every ended session whose access tokens may not have expired.
// When the users service is unavailable it continues with its last state. Then no session can end and no token is
// signed, so that a replica that is cut off accepts the tokens of an ended session for at most the lifetime of an
// access token.
func Follow(ctx context.Context, feed Feed) *Verifier {
	v := NewVerifier(feed)
	v.follows = true
	go v.follow(ctx)
	return v
}

func (v *Verifier) follow(ctx context.Context) {
	cursor, connected := "", true
	for ctx.Err() == nil {
		began, wait := time.Now(), minInterval
		next, err := v.update(ctx, cursor)
		if err == nil {
			cursor = next
		} else {
			wait = retryDelay
		}
		switch {
		case connected == (err == nil) || ctx.Err() != nil:
		case err == nil:
			connected = true
			slog.InfoContext(ctx, "revocation feed connected")
		default:
			connected = false
			slog.WarnContext(ctx, "revocation feed disconnected", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait - time.Since(began)):
		}
	}
}

// update reads the feed once and applies the result.
func (v *Verifier) update(ctx context.Context, cursor string) (next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, feedTimeout)
	defer cancel()
	update, err := v.feed(ctx, cursor)
	if err != nil {
		return "", err
	}
	if len(update.Keys) == 0 {
		return "", errors.New("auth: an update without keys")
	}
	now := time.Now()
	for {
		before := v.state.Load()
		if v.state.CompareAndSwap(before, before.updated(update, now)) {
			break
		}
	}
	v.updatedAt.Store(now.UnixNano())
	return update.Cursor, nil
}

// updated returns the snapshot after an update. The receiver does not change; it may be nil.
func (s *snapshot) updated(update Update, now time.Time) *snapshot {
	next := snapshot{issuer: update.Issuer, jwks: update.JWKS}
	if s != nil && s.issuer == update.Issuer && slices.Equal(s.jwks.Keys, update.Keys) {
		next = *s
	} else {
		next.keys, next.cache = update.publicKeys(), newTokenCache()
		if s != nil {
			next.endedSessions, next.purgedAt = s.endedSessions, s.purgedAt
		}
	}
	purge := now.Sub(next.purgedAt) > purgeInterval
	if len(update.EndedSessions) == 0 && !purge {
		return &next
	}
	next.endedSessions = maps.Clone(next.endedSessions)
	if next.endedSessions == nil {
		next.endedSessions = make(map[uuid.UUID]time.Time, len(update.EndedSessions))
	}
	if purge {
		maps.DeleteFunc(next.endedSessions, func(_ uuid.UUID, until time.Time) bool { return now.After(until) })
		next.purgedAt = now
	}
	until := now.Add(time.Duration(update.TTLSeconds) * time.Second)
	for _, session := range update.EndedSessions {
		next.endedSessions[session] = until
	}
	return &next
}

// load reads the feed for tokens that come before the first update, once for all concurrent ones. It returns nil on
// failure.
func (v *Verifier) load(ctx context.Context) *snapshot {
	_, err, _ := v.loading.Do("", func() (any, error) {
		if v.state.Load() != nil {
			return nil, nil
		}
		return v.update(context.WithoutCancel(ctx), "")
	})
	if err != nil {
		slog.WarnContext(ctx, "no signing keys yet", "err", err)
	}
	return v.state.Load()
}

var errStale = errors.New("auth: no update of keys and ended sessions for 10 s")

// Healthy fails after ten seconds without an update.
func (v *Verifier) Healthy(context.Context) error {
	if v.stale() {
		return errStale
	}
	return nil
}

func (v *Verifier) stale() bool {
	return v.follows && time.Since(time.Unix(0, v.updatedAt.Load())) > staleAfter
}
