package mail_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/tests/platform"
)

const (
	messages = 10_000
	inFlight = 8 // sent or recorded concurrently (SMTP_CONNECTIONS)
)

// workerKilled kills the service twice while it sends ten thousand e-mails. None is lost, and no more are sent twice
// than were in flight. Those have the same Message-ID, by which a mail program recognizes them.
func workerKilled(t *testing.T) {
	url, err := running.Secret("notifications-database-url")
	must(t, err)
	db, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer db.Close(context.Background())
	_, err = db.Exec(t.Context(), `
		with users as (
			insert into contacts (user_id, email, username)
			select gen_random_uuid(), 'many' || n || '@example.com', 'many' || n from generate_series(1, $1) n returning user_id
		)
		insert into deliveries (id, notification_id, user_id, kind, channel, priority, variables, due_at, give_up_at)
		select gen_random_uuid(), gen_random_uuid(), user_id, 'orders.paid', 'email', 1, '{"Number":"SC-1"}', now(),
			now() + interval '1 day' from users`, messages)
	must(t, err)
	began := time.Now()
	await := func(want int) {
		t.Helper()
		platform.Eventually(t, 5*time.Minute, func() error {
			var n int
			err := db.QueryRow(t.Context(), `
				select count(*) from deliveries d join contacts c using (user_id)
				where d.state = 'sent' and c.username like 'many%'`).Scan(&n)
			if err != nil || n < want {
				return fmt.Errorf("%d sent, %w", n, err)
			}
			return nil
		})
	}
	await(messages / 4)
	t.Logf("the first %d in %s", messages/4, time.Since(began).Round(10*time.Millisecond))
	for _, until := range []int{messages / 2, messages} {
		running.KillAndWait(t, "notifications")
		// Without this, the leases of the killed worker last for another minute.
		_, err = db.Exec(t.Context(), `update deliveries set leased_until = now() where state = 'sending'`)
		must(t, err)
		await(until)
	}
	t.Logf("%d messages in %s, with two kills", messages, time.Since(began).Round(10*time.Millisecond))

	all, err := mailbox(t.Context(), "")
	must(t, err)
	ids, duplicates := map[string]string{}, 0
	for _, m := range all {
		if !strings.HasPrefix(m.To, "<many") {
			continue
		}
		id := m.Header.Get("Message-Id")
		if first, again := ids[m.To]; again {
			duplicates++
			if id != first || id == "" {
				t.Errorf("%s got the same e-mail as %s and as %s", m.To, first, id)
			}
		}
		ids[m.To] = id
	}
	different := map[string]bool{}
	for _, id := range ids {
		different[id] = true
	}
	t.Logf("%d were sent twice, of at most %d in flight at each kill", duplicates, inFlight)
	if len(ids) != messages || len(different) != messages || duplicates > 2*inFlight {
		t.Errorf("%d users got e-mails with %d different ids, want %d of both; %d were sent twice, want at most %d",
			len(ids), len(different), messages, duplicates, 2*inFlight)
	}
}
