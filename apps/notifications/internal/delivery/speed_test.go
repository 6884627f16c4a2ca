package delivery

import (
	"fmt"
	"testing"
	"time"

	"sidecart/kit/kittest"
)

// TestFreeSlotsAreFilledImmediately: a slot that becomes free takes the next job. If slots were filled only at each
// poll, this would take two minutes, and await times out after 20 s.
func TestFreeSlotsAreFilledImmediately(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	_, err := db.Exec(t.Context(), `
		with users as (
			insert into contacts (user_id, email, username)
			select gen_random_uuid(), 'p' || n || '@example.com', 'p' || n from generate_series(1, 2000) n returning user_id)
		insert into deliveries (id, notification_id, user_id, kind, channel, priority, variables, due_at, give_up_at)
		select gen_random_uuid(), gen_random_uuid(), user_id, 'orders.paid', 'email', 1, '{"Number":"1"}', now(),
			now() + interval '1 day' from users`)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	runWorker(t, db, provider, noToken)
	provider.await(t, 2000)
	t.Logf("%.0f a second", 2000/time.Since(began).Seconds())
}

// TestLongOrderingKeyIsLinear: the rows that claims read grow with the jobs of an ordering key, not with their square.
func TestLongOrderingKeyIsLinear(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	const jobs = 500
	_, err := db.Exec(t.Context(), `
		with one as (
			insert into contacts (user_id, email, username) values (gen_random_uuid(), 'ada@example.com', 'ada')
			returning user_id)
		insert into deliveries (id, notification_id, user_id, kind, channel, priority, variables, due_at, give_up_at)
		select gen_random_uuid(), gen_random_uuid(), user_id, 'orders.paid', 'email', 1, '{"Number":"1"}', now(),
			now() + interval '1 day'
		from one, generate_series(1, $1)`, jobs)
	if err != nil {
		t.Fatal(err)
	}
	stop := runWorker(t, db, provider, noToken)
	awaitState(t, db, "sent", jobs)
	stop()
	db.Reset() // connections report their statistics when they are closed
	var read int
	kittest.Eventually(t, 20*time.Second, func() error {
		err := db.QueryRow(t.Context(), `
			select coalesce(sum(idx_tup_read), 0) from pg_stat_user_indexes where indexrelname = 'deliveries_due'`).Scan(&read)
		if err != nil || read < jobs {
			return fmt.Errorf("%d rows read, %w", read, err)
		}
		return nil
	})
	if read > jobs*jobs/4 {
		t.Errorf("%d rows were read for %d jobs", read, jobs)
	}
	t.Logf("%d rows were read for %d jobs", read, jobs)
}
