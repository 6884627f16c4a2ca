package session

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/users/internal/audit"
	"sidecart/kit/event"
	"sidecart/kit/shop"
)

// End ends a user's sessions, all but except (uuid.Nil: none), in the caller's transaction. It publishes
// sessions.revoked if there were any. Their refresh tokens are refused from the commit on, their access tokens in every
// service within a second.
func End(ctx context.Context, tx event.TX, user shop.UserID, except uuid.UUID, reason string) error {
	ended, err := end(ctx, tx, user, nil, except, reason)
	if err != nil || len(ended) == 0 {
		return err
	}
	return publishRevoked(ctx, tx, user, ended, reason)
}

// Erase ends all sessions of a user and deletes their addresses and devices.
func Erase(ctx context.Context, tx event.TX, user shop.UserID, reason string) error {
	if err := End(ctx, tx, user, uuid.Nil, reason); err != nil {
		return err
	}
	return erase(ctx, tx, user)
}

// endOne ends one session of a user for a reason and records the action. It returns false if there is no such active
// session.
func endOne(
	ctx context.Context, tx event.TX, user shop.UserID, session uuid.UUID, reason string, entry audit.Entry,
) (bool, error) {
	ended, err := end(ctx, tx, user, &session, uuid.Nil, reason)
	if err != nil || len(ended) == 0 {
		return false, err
	}
	if err := publishRevoked(ctx, tx, user, ended, reason); err != nil {
		return false, err
	}
	entry.User, entry.Details = user, map[string]string{"session": session.String()}
	return true, audit.Record(ctx, tx, entry)
}

// publishRevoked notifies the revocation feed of every replica at the commit, and publishes sessions.revoked.
func publishRevoked(ctx context.Context, tx event.TX, user shop.UserID, ended []uuid.UUID, reason string) error {
	if err := notifyChanged(ctx, tx); err != nil {
		return err
	}
	e := shop.SessionsRevoked{UserID: user, SessionIDs: ended, Reason: reason, At: time.Now().UTC()}
	return event.Emit(ctx, tx, e)
}
