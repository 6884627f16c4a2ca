package session

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// pruneAtOnce bounds one transaction.
const pruneAtOnce = 1000

// Prune deletes refresh tokens that have expired, sessions that have none left, and devices not seen for a year. Until then even
// used tokens are kept: that is how a stolen one is found out.
func (s *Service) Prune(ctx context.Context) (err error) {
	for _, prune := range []func(context.Context, pgx.Tx) (int64, error){
		func(ctx context.Context, tx pgx.Tx) (int64, error) { return pruneTokens(ctx, tx, pruneAtOnce) },
		func(ctx context.Context, tx pgx.Tx) (int64, error) {
			return pruneSessions(ctx, tx, s.lives.remember(), pruneAtOnce)
		},
		func(ctx context.Context, tx pgx.Tx) (int64, error) { return 0, pruneDevices(ctx, tx) },
	} {
		err = errors.Join(err, s.inBatches(ctx, prune))
	}
	return err
}

func (s *Service) inBatches(ctx context.Context, prune func(context.Context, pgx.Tx) (int64, error)) error {
	for pruned := int64(pruneAtOnce); pruned == pruneAtOnce; {
		err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) (err error) {
			pruned, err = prune(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
