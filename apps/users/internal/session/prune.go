package session

import (
	"context"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/sidecar"
)

// pruneJob is the name under which the scheduler calls every so often; one replica gets each call.
const pruneJob = "prune-sessions"

// pruneAtOnce bounds one transaction.
const pruneAtOnce = 1000

// SchedulePruning asks the scheduler to have what is over deleted every hour.
func (s *Service) SchedulePruning(ctx context.Context, every sidecar.Schedule) error {
	return every(ctx, pruneJob, "@every 1h")
}

// Prune deletes refresh tokens that have expired, sessions that have none left, and devices not seen for a year. Until then even
// used tokens are kept: that is how a stolen one is found out.
func (s *Service) Prune(ctx context.Context) error {
	for _, prune := range []func(context.Context, pgx.Tx) (int64, error){
		func(ctx context.Context, tx pgx.Tx) (int64, error) { return pruneTokens(ctx, tx, pruneAtOnce) },
		func(ctx context.Context, tx pgx.Tx) (int64, error) {
			return pruneSessions(ctx, tx, s.lives.remember(), pruneAtOnce)
		},
		func(ctx context.Context, tx pgx.Tx) (int64, error) { return 0, pruneDevices(ctx, tx) },
	} {
		if err := s.inBatches(ctx, prune); err != nil {
			return err
		}
	}
	return nil
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
