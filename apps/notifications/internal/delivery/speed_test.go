package delivery

import (
	"testing"
	"time"
)

// TestAQueueIsNotPolledBatchByBatch: with more to do than can be done at once, the next is taken as soon as one is done. With
// four taken at each look it would take two minutes, and await waits for twenty seconds.
func TestAQueueIsNotPolledBatchByBatch(t *testing.T) {
	t.Parallel()
	db, box := database(t), &postbox{}
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
	running(t, db, box, noToken)
	box.await(t, 2000)
	t.Logf("%.0f a second", 2000/time.Since(began).Seconds())
}
