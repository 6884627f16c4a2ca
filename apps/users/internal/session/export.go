package session

import (
	"context"
	"encoding/json"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// Export is all that is held of a user's sessions, those that have ended among them.
func Export(ctx context.Context, db postgres.Reader, user shop.UserID) (json.RawMessage, error) {
	held, err := all(ctx, db, user)
	if err != nil {
		return nil, err
	}
	return json.Marshal(held)
}
