package mail

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/delivery"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/kittest"
)

// TestAnOutageLosesNothing: the engine sends through a server that dies again and again in the middle. Each reader gets
// the mail; who gets it twice was in the server's hands as it died, and gets the same Message-ID.
func TestAnOutageLosesNothing(t *testing.T) {
	t.Parallel()
	db := kittest.DB(t, delivery.Migrations, contact.Migrations, preference.Migrations, template.Migrations)
	const messages, outages, unanswered = 600, 3, 5
	_, err := db.Exec(t.Context(), `
		insert into deliveries (id, message_id, user_id, kind, channel, lane, facts, due_at, give_up_at)
		select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'orders.paid', 'email', 1, '{}', now(), now() + interval '1 day'
		from generate_series(1, $1)`, messages)
	if err != nil {
		t.Fatal(err)
	}
	fake := startServer(t, &fakeServer{tls: "starttls", unanswered: unanswered})
	p := newTestProvider(t, fake, nil)
	compose := func(_ context.Context, all []delivery.Job) (delivery.Message, error) {
		l := messageTo(all[0].ID.String() + "@example.com")
		l.ID, l.MessageID, l.Job = all[0].ID, all[0].ID.UUID, all[0]
		return l, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		_ = delivery.NewWorker(db, compose, map[kind.Channel]delivery.Provider{kind.Email: p}).Run(ctx)
	})
	defer work.Wait()
	defer cancel()
	for n := range outages {
		await(t, func() (int, error) { return len(fake.mails()), nil }, (n+1)*messages/(outages+1))
		fake.stop()
		await(t, func() (failed int, err error) {
			err = db.QueryRow(t.Context(), `select count(*) from attempts where outcome = 'failed' and answer like '%refused%'`).Scan(&failed)
			return failed, err
		}, n+1)
		fake.start(t)
	}
	await(t, func() (sent int, err error) {
		err = db.QueryRow(t.Context(), `select count(*) from deliveries where state = 'sent'`).Scan(&sent)
		return sent, err
	}, messages)

	ids, doubled := map[string]string{}, 0
	for _, got := range fake.mails() {
		header, _ := parts(t, got)
		id := header.Get("Message-ID")
		if first, again := ids[got.to]; again {
			if doubled++; first != id {
				t.Errorf("%s got %s and %s", got.to, first, id)
			}
		}
		ids[got.to] = id
	}
	if len(ids) != messages || doubled < unanswered || doubled > unanswered+outages*p.Concurrency {
		t.Errorf("%d readers got the mail, %d twice; want %d, and between %d and %d", len(ids), doubled, messages, unanswered, unanswered+outages*p.Concurrency)
	}
	t.Logf("%d came twice", doubled)
}

func await(t *testing.T, count func() (int, error), want int) {
	t.Helper()
	kittest.Eventually(t, 30*time.Second, func() error {
		n, err := count()
		if err == nil && n < want {
			err = fmt.Errorf("%d, want %d", n, want)
		}
		return err
	})
}
