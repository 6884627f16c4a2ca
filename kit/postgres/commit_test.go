package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/kittest"
	"sidecart/kit/postgres"
)

// TestTell: whoever follows a pool is told of a transaction when it is over, and not before.
func TestTell(t *testing.T) {
	db := kittest.DB(t)
	ctx, stop := context.WithCancel(t.Context())
	commits := postgres.Commits(ctx, db)
	over := func() bool {
		select {
		case <-commits:
			return true
		default:
			return false
		}
	}
	failed := errors.New("and then it failed")
	for _, c := range []struct {
		name string
		do   func(tx pgx.Tx) error
		want bool
	}{
		{"nobody asked", func(pgx.Tx) error { return nil }, false},
		{"asked", func(tx pgx.Tx) error { postgres.Tell(tx); return nil }, true},
		{"asked before", func(pgx.Tx) error { return nil }, false},
		{"asked, and a part of it failed", func(tx pgx.Tx) error {
			postgres.Tell(tx)
			if err := pgx.BeginFunc(t.Context(), tx, func(pgx.Tx) error { return failed }); !errors.Is(err, failed) {
				return err
			}
			if over() {
				t.Error("told while it goes on")
			}
			return nil
		}, true},
	} {
		err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
			if err := c.do(tx); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), `select 1`)
			if over() {
				t.Errorf("%s: told before the end", c.name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := over(); got != c.want {
			t.Errorf("%s: told %t", c.name, got)
		}
	}
	stop()
	kittest.Eventually(t, 10*time.Second, func() error { // until it is unfollowed
		err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error { postgres.Tell(tx); return nil })
		if err == nil && over() {
			err = errors.New("still told")
		}
		return err
	})
}
