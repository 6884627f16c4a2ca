package session

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/users/internal/audit"
	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// End ends a user's sessions, all but except (uuid.Nil: none), in the caller's transaction, and tells sessions.revoked if there
// were any: their refresh tokens are refused from the commit on, and their access tokens everywhere within a second.
func End(ctx context.Context, tx event.TX, user shop.UserID, except uuid.UUID, reason string) error {
	ended, err := end(ctx, tx, user, except, reason)
	if err != nil || len(ended) == 0 {
		return err
	}
	return publishRevoked(ctx, tx, user, ended, reason)
}

// Erase is End for all sessions, and forgets where they were.
func Erase(ctx context.Context, tx event.TX, user shop.UserID, reason string) error {
	if err := End(ctx, tx, user, uuid.Nil, reason); err != nil {
		return err
	}
	return erase(ctx, tx, user)
}

// endReused ends a session of which a token came again that had been used: one of the two who hold it has stolen it. It changes
// nothing where the session has ended before.
func endReused(ctx context.Context, tx event.TX, user shop.UserID, session uuid.UUID, from audit.Origin) error {
	const reason = "a used refresh token came again"
	ended, err := endOne(ctx, tx, user, session, reason)
	if err != nil || !ended {
		return err
	}
	if err := publishRevoked(ctx, tx, user, []uuid.UUID{session}, reason); err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Entry{Action: audit.TokenReused, User: user, From: from, Details: map[string]string{"session": session.String()}})
}

// publishRevoked wakes those who follow ended sessions as soon as the transaction commits, and tells everybody else by event.
func publishRevoked(ctx context.Context, tx event.TX, user shop.UserID, ended []uuid.UUID, reason string) error {
	if err := notifyChanged(ctx, tx); err != nil {
		return err
	}
	return event.Emit(ctx, tx, shop.SessionsRevoked{UserID: user, SessionIDs: ended, Reason: reason, At: time.Now().UTC()})
}
