package delivery

import (
	"fmt"
	"testing"
	"time"

	"sidecart/kit/kittest"
)

// TestAQueueIsNotPolledBatchByBatch: with more to do than can be done at once, the next is taken as soon as one is done. With
// four taken at each look it would take two minutes, and await waits for twenty seconds.
func TestAQueueIsNotPolledBatchByBatch(t *testing.T) {
	t.Parallel()
	db, box := database(t), &fakeProvider{}
	_, err := db.Exec(t.Context(), `
		with people as (
			insert into contacts (user_id, email, username)
			select gen_random_uuid(), 'p' || n || '@example.com', 'p' || n from generate_series(1, 2000) n returning user_id)
		insert into deliveries (id, message_id, user_id, kind, channel, lane, facts, due_at, give_up_at)
		select gen_random_uuid(), gen_random_uuid(), user_id, 'orders.paid', 'email', 1, '{"Number":"1"}', now(), now() + interval '1 day' from people`)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	runWorker(t, db, box, noToken)
	box.await(t, 2000)
	t.Logf("%.0f a second", 2000/time.Since(began).Seconds())
}

// TestALongLineIsNotSearchedForEachOfItsLetters: what claims read grows with the letters of one reader, not with their square.
func TestALongLineIsNotSearchedForEachOfItsLetters(t *testing.T) {
	t.Parallel()
	db, box := database(t), &fakeProvider{}
	const letters = 500
	_, err := db.Exec(t.Context(), `
		with reader as (insert into contacts (user_id, email, username) values (gen_random_uuid(), 'ada@example.com', 'ada') returning user_id)
		insert into deliveries (id, message_id, user_id, kind, channel, lane, facts, due_at, give_up_at)
		select gen_random_uuid(), gen_random_uuid(), user_id, 'orders.paid', 'email', 1, '{"Number":"1"}', now(), now() + interval '1 day'
		from reader, generate_series(1, $1)`, letters)
	if err != nil {
		t.Fatal(err)
	}
	stop := runWorker(t, db, box, noToken)
	awaitState(t, db, "sent", letters)
	stop()
	db.Reset() // its connections tell what they did when they end
	var read int
	kittest.Eventually(t, 20*time.Second, func() error {
		err := db.QueryRow(t.Context(), `select coalesce(sum(idx_tup_read), 0) from pg_stat_user_indexes where indexrelname = 'deliveries_due'`).Scan(&read)
		if err != nil || read < letters {
			return fmt.Errorf("%d rows read, %w", read, err)
		}
		return nil
	})
	if read > letters*letters/4 {
		t.Errorf("for %d letters %d rows were read", letters, read)
	}
	t.Logf("for %d letters %d rows were read", letters, read)
}
