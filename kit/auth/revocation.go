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

// Feed returns what the users service has for verifiers since a cursor. With a cursor it may wait for news, up to a
// second.
type Feed func(ctx context.Context, cursor string) (Update, error)

var revocations = sidecar.Endpoint{App: "users", Method: "GET", Path: "/revocations?cursor={cursor}"}

// NewFeed reads the feed through the sidecar. Its invoke must have no breaker: the return of users matters
// immediately.
func NewFeed(invoke sidecar.Invoke) Feed {
	return func(ctx context.Context, cursor string) (t Update, err error) {
		err = invoke(ctx, revocations.With(cursor), nil, &t)
		return t, err
	}
}

const (
	feedTimeout   = 2 * time.Second        // a question; one that waits for something new is answered within half of that
	retryDelay    = 250 * time.Millisecond // after a failure
	minInterval   = 50 * time.Millisecond  // so that many ends in a row are told together
	purgeInterval = time.Minute            // how often sessions that need no remembering are dropped
	staleAfter    = 10 * time.Second       // without an answer
)

// NewVerifier makes a Verifier that learns when it is first asked, once.
func NewVerifier(feed Feed) *Verifier { return &Verifier{feed: feed} }

// Follow makes a Verifier that hears, until ctx ends, of each key and each ended session as soon as the users service knows.
//
// It begins by learning every ended session whose access tokens may still live, and vouches for nothing before. When the users
// service goes away it goes on with what it knows: nobody can end a session meanwhile, and a replica that is cut off
// accepts the tokens of one that has ended for at most the life of an access token, since only users makes new ones.
func Follow(ctx context.Context, feed Feed) *Verifier {
	v := NewVerifier(feed)
	v.follows = true
	go v.follow(ctx)
	return v
}

func (v *Verifier) follow(ctx context.Context) {
	cursor, well := "", true
	for ctx.Err() == nil {
		began, wait := time.Now(), minInterval
		next, err := v.update(ctx, cursor)
		if err == nil {
			cursor = next
		} else {
			wait = retryDelay
		}
		if well != (err == nil) && ctx.Err() == nil {
			well = err == nil
			slog.WarnContext(ctx, "hearing of ended sessions and new keys", "well", well, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait - time.Since(began)):
		}
	}
}

// update asks once and goes by the answer from then on.
func (v *Verifier) update(ctx context.Context, cursor string) (next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, feedTimeout)
	defer cancel()
	told, err := v.feed(ctx, cursor)
	if err != nil {
		return "", err
	}
	if len(told.Keys) == 0 {
		return "", errors.New("auth: no key was told")
	}
	now := time.Now()
	for {
		before := v.state.Load()
		if v.state.CompareAndSwap(before, before.updated(told, now)) {
			break
		}
	}
	v.updatedAt.Store(now.UnixNano())
	return told.Cursor, nil
}

// updated is what is known once something more was told. Nothing known before is changed by it.
func (k *snapshot) updated(told Update, now time.Time) *snapshot {
	next := snapshot{issuer: told.Issuer, jwks: told.JWKS}
	if k != nil && k.issuer == told.Issuer && slices.Equal(k.jwks.Keys, told.Keys) {
		next = *k
	} else {
		next.keys, next.cache = told.publicKeys(), newTokenCache()
		if k != nil {
			next.ended, next.purgedAt = k.ended, k.purgedAt
		}
	}
	tidy := now.Sub(next.purgedAt) > purgeInterval
	if len(told.Ended) == 0 && !tidy {
		return &next
	}
	next.ended = maps.Clone(next.ended)
	if next.ended == nil {
		next.ended = make(map[uuid.UUID]time.Time, len(told.Ended))
	}
	if tidy {
		maps.DeleteFunc(next.ended, func(_ uuid.UUID, until time.Time) bool { return now.After(until) })
		next.purgedAt = now
	}
	until := now.Add(time.Duration(told.TTLSeconds) * time.Second)
	for _, session := range told.Ended {
		next.ended[session] = until
	}
	return &next
}

// load learns for whoever comes before anything was learned, once for all who come at the same time. It is nil where that
// fails.
func (v *Verifier) load(ctx context.Context) *snapshot {
	_, err, _ := v.loading.Do("", func() (any, error) {
		if v.state.Load() != nil {
			return nil, nil
		}
		return v.update(context.WithoutCancel(ctx), "")
	})
	if err != nil {
		slog.WarnContext(ctx, "nobody can say yet which tokens are good", "err", err)
	}
	return v.state.Load()
}

var errStale = errors.New("auth: nothing was heard of ended sessions for a while")

// Healthy fails while nothing has been heard from the users service for ten seconds.
func (v *Verifier) Healthy(context.Context) error {
	if v.follows && time.Since(time.Unix(0, v.updatedAt.Load())) > staleAfter {
		return errStale
	}
	return nil
}
