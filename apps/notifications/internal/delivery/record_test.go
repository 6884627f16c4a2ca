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

// faultyNetwork connects a pool to its database, and can be down.
type faultyNetwork struct {
	mu    sync.Mutex
	down  bool
	tries int // to connect while it is down
	open  []net.Conn
}

func (n *faultyNetwork) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		n.tries++
		return nil, errors.New("no route to host")
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		n.open = append(n.open, conn)
	}
	return conn, err
}

func (n *faultyNetwork) setDown(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.down = down; down && len(n.open) > 0; n.open = n.open[1:] {
		_ = n.open[0].Close()
	}
}

func poolThrough(t *testing.T, db *pgxpool.Pool, n *faultyNetwork) *pgxpool.Pool {
	t.Helper()
	config := db.Config()
	config.ConnConfig.DialFunc = n.dial
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// TestDatabaseOutageAfterSending lasts longer than the lease and recordTries. The worker that sent a message records it
// before another claims the job.
func TestDatabaseOutageAfterSending(t *testing.T) {
	t.Parallel()
	db, provider, network := database(t), &fakeProvider{}, &faultyNetwork{}
	const workers = 4 // the concurrency of runWorker, so that no slot is free to claim
	for n := range workers {
		enqueue(t, db, newUser(t, db, fmt.Sprint("ada", n)), kind.Paid, "1")
	}
	var sending sync.WaitGroup
	var sent atomic.Int32
	sending.Add(workers)
	provider.failWith(func(Message) error {
		if sent.Add(1) <= workers {
			sending.Done()
		}
		sending.Wait()
		network.setDown(true)
		return nil
	})
	runWorker(t, poolThrough(t, db, network), provider, noToken)
	provider.await(t, workers)
	kittest.Eventually(t, 30*time.Second, func() error {
		var n int
		network.mu.Lock()
		n = network.tries
		network.mu.Unlock()
		if n < 40 { // more than recordTries
			return fmt.Errorf("%d tries to connect", n)
		}
		return nil
	})
	if _, err := db.Exec(t.Context(), `update deliveries set leased_until = leased_until - interval '2 minutes'`); err != nil {
		t.Fatal(err)
	}
	provider.failWith(nil)
	network.setDown(false)
	awaitState(t, db, "sent", workers)
	var recorded int
	err := db.QueryRow(t.Context(), `select count(*) from attempts where outcome = 'sent'`).Scan(&recorded)
	if err != nil || recorded != workers || len(provider.messages()) != workers {
		t.Errorf("recorded %d times, sent %d times, %v", recorded, len(provider.messages()), err)
	}
}

// TestLateRecord: a worker whose lease has ended does not overwrite the claim of another, unless the message was sent.
func TestLateRecord(t *testing.T) {
	t.Parallel()
	db := database(t)
	enqueue(t, db, newUser(t, db, "ada"), kind.Paid, "1")
	var first, second []claimedJob
	claimInto := func(into *[]claimedJob) {
		inTx(t, db, func(tx pgx.Tx) (err error) {
			*into, err = claim(t.Context(), tx, kind.Email, 10, true)
			return err
		})
	}
	record := func(c claimedJob, sendErr error, want bool) {
		t.Helper()
		inTx(t, db, func(tx pgx.Tx) error {
			d := decide(c.Job, sendErr, time.Now())
			holds, err := finish(t.Context(), tx, c.Job, d,
				attemptRow{DeliveryID: c.ID, Number: c.Attempts, Outcome: d.result, Provider: "test"})
			if holds != want {
				t.Errorf("%v holds: %t", sendErr, holds)
			}
			return err
		})
	}
	claimInto(&first)
	if _, err := db.Exec(t.Context(), `update deliveries set leased_until = now() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
	claimInto(&second)
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

// TestResponseWithInvalidText: what Postgres does not store in a text is removed from a provider's response.
func TestResponseWithInvalidText(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	enqueue(t, db, newUser(t, db, "ada"), kind.Paid, "1")
	provider.failWith(func(Message) error { return fmt.Errorf("%w: 550 \x00\xff %s", ErrRefused, strings.Repeat("é", 1000)) })
	runWorker(t, db, provider, noToken)
	awaitState(t, db, "dead: refused: 550 \uFFFD éé", 1)
}
