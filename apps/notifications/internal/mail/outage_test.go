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

// TestOutageLosesNothing: the worker sends through a server that stops several times. Each user gets the e-mail. Only
// those that were being sent when the server stopped are sent twice, with the same Message-ID.
func TestOutageLosesNothing(t *testing.T) {
	t.Parallel()
	db := kittest.DB(t, delivery.Migrations, contact.Migrations, preference.Migrations, template.Migrations)
	const messages, outages, unreplied = 600, 3, 5
	_, err := db.Exec(t.Context(), `
		insert into deliveries (id, notification_id, user_id, kind, channel, priority, variables, due_at, give_up_at)
		select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'orders.paid', 'email', 1, '{}', now(), now() + interval '1 day'
		from generate_series(1, $1)`, messages)
	if err != nil {
		t.Fatal(err)
	}
	fake := startServer(t, &fakeServer{tls: "starttls", unreplied: unreplied})
	p := newTestProvider(t, fake, nil)
	render := func(_ context.Context, all []delivery.Job) (delivery.Message, error) {
		m := messageTo(all[0].ID.String() + "@example.com")
		m.ID, m.MessageID, m.Job = all[0].ID, all[0].ID.UUID, all[0]
		return m, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		_ = delivery.NewWorker(db, render, map[kind.Channel]delivery.Provider{kind.Email: p}).Run(ctx)
	})
	defer work.Wait()
	defer cancel()
	for n := range outages {
		await(t, func() (int, error) { return len(fake.mails()), nil }, (n+1)*messages/(outages+1))
		fake.stop()
		await(t, func() (failed int, err error) {
			err = db.QueryRow(t.Context(), `select count(*) from attempts where outcome = 'failed' and response like '%refused%'`).Scan(&failed)
			return failed, err
		}, n+1)
		fake.start(t)
	}
	await(t, func() (sent int, err error) {
		err = db.QueryRow(t.Context(), `select count(*) from deliveries where state = 'sent'`).Scan(&sent)
		return sent, err
	}, messages)

	ids, duplicates := map[string]string{}, 0
	for _, got := range fake.mails() {
		header, _ := parts(t, got)
		id := header.Get("Message-ID")
		if first, again := ids[got.to]; again {
			if duplicates++; first != id {
				t.Errorf("%s got %s and %s", got.to, first, id)
			}
		}
		ids[got.to] = id
	}
	if len(ids) != messages || duplicates < unreplied || duplicates > unreplied+outages*p.Concurrency {
		t.Errorf("%d users got the e-mail, %d twice; want %d, and between %d and %d",
			len(ids), duplicates, messages, unreplied, unreplied+outages*p.Concurrency)
	}
	t.Logf("%d e-mails were sent twice", duplicates)
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
