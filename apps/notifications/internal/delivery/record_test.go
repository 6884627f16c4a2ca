package delivery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/kittest"
)

// faultyNetwork is between a pool and its database: it can be pulled, and put in again.
type faultyNetwork struct {
	mu    sync.Mutex
	down  bool
	tries int // to connect while it is
	open  []net.Conn
}

func (c *faultyNetwork) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		c.tries++
		return nil, errors.New("no route to host")
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		c.open = append(c.open, conn)
	}
	return conn, err
}

func (c *faultyNetwork) setDown(pulled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.down = pulled; pulled && len(c.open) > 0; c.open = c.open[1:] {
		_ = c.open[0].Close()
	}
}

func poolThrough(t *testing.T, db *pgxpool.Pool, c *faultyNetwork) *pgxpool.Pool {
	t.Helper()
	config := db.Config()
	config.ConnConfig.DialFunc = c.dial
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// TestADatabaseThatIsAwayAfterAYes: for longer than the lease, and for more tries than are made in one that is there. Whoever sent it
// keeps that it did, before anybody takes it for dead.
func TestADatabaseThatIsAwayAfterAYes(t *testing.T) {
	t.Parallel()
	db, box, wire := database(t), &fakeProvider{}, &faultyNetwork{}
	const workers = 4 // of running, so that nobody is left to claim
	for n := range workers {
		enqueue(t, db, newUser(t, db, fmt.Sprint("ada", n)), kind.Paid, "1")
	}
	var sending sync.WaitGroup
	var sent atomic.Int32
	sending.Add(workers)
	box.failWith(func(Message) error {
		if sent.Add(1) <= workers {
			sending.Done()
		}
		sending.Wait()
		wire.setDown(true)
		return nil
	})
	runWorker(t, poolThrough(t, db, wire), box, noToken)
	box.await(t, workers)
	kittest.Eventually(t, 30*time.Second, func() error {
		var n int
		wire.mu.Lock()
		n = wire.tries
		wire.mu.Unlock()
		if n < 40 { // more than are made where it is there
			return fmt.Errorf("%d tries to connect", n)
		}
		return nil
	})
	if _, err := db.Exec(t.Context(), `update deliveries set leased_until = leased_until - interval '2 minutes'`); err != nil {
		t.Fatal(err)
	}
	box.failWith(nil)
	wire.setDown(false)
	awaitState(t, db, "sent", workers)
	var tried int
	if err := db.QueryRow(t.Context(), `select count(*) from attempts where outcome = 'sent'`).Scan(&tried); err != nil || tried != workers || len(box.messages()) != workers {
		t.Errorf("kept %d times, sent %d times, %v", tried, len(box.messages()), err)
	}
}

// TestALateRecordIsNotAnothers: who took longer than the lease does not write over the one who has it now; but what somebody has got
// they have got.
func TestALateRecordIsNotAnothers(t *testing.T) {
	t.Parallel()
	db := database(t)
	enqueue(t, db, newUser(t, db, "ada"), kind.Paid, "1")
	var first, second []claimedJob
	take := func(into *[]claimedJob) {
		inTx(t, db, func(tx pgx.Tx) (err error) {
			*into, err = claim(t.Context(), tx, kind.Email, 10, true)
			return err
		})
	}
	record := func(c claimedJob, said error, want bool) {
		t.Helper()
		inTx(t, db, func(tx pgx.Tx) error {
			v := decide(c.Job, said, time.Now())
			holds, err := finish(t.Context(), tx, c.Job, v, attemptRow{DeliveryID: c.ID, Number: c.Attempts, Outcome: v.outcome, Provider: "test"})
			if holds != want {
				t.Errorf("%v holds: %t", said, holds)
			}
			return err
		})
	}
	take(&first)
	if _, err := db.Exec(t.Context(), `update deliveries set leased_until = now() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
	take(&second)
	if len(first) != 1 || len(second) != 1 || !second[0].Interrupted {
		t.Fatalf("%v %v", first, second)
	}
	record(first[0], errors.New("late"), false)
	record(first[0], ErrRefused, false)
	inTx(t, db, func(tx pgx.Tx) error { return deferJob(t.Context(), tx, first[0].Job, time.Now()) })
	awaitState(t, db, "sending", 1)
	record(second[0], ErrTemporary, true)
	record(second[0], ErrRefused, false)
	awaitState(t, db, "waiting", 1)
	record(first[0], nil, true)
	record(second[0], ErrRefused, false)
	awaitState(t, db, "sent", 1)
}

// TestWhatADatabaseDoesNotTake is taken out of what a provider says: or it could never be kept that it said yes.
func TestWhatADatabaseDoesNotTake(t *testing.T) {
	t.Parallel()
	db, box := database(t), &fakeProvider{}
	enqueue(t, db, newUser(t, db, "ada"), kind.Paid, "1")
	box.failWith(func(Message) error { return fmt.Errorf("%w: 550 \x00\xff %s", ErrRefused, strings.Repeat("é", 1000)) })
	runWorker(t, db, box, noToken)
	awaitState(t, db, "dead: refused: 550 \uFFFD éé", 1)
}
