package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// readers is how many people a broadcast is mailed to.
const readers = 5000

// told is how a broadcast went: until everybody had it in the inbox, and until the mail server had the last mail.
type told struct {
	mails         int
	inbox, mailed time.Duration
	spent         map[string]float64 // seconds of CPU by process, until the last mail
}

// broadcast tells readers something, and waits until the last of them has it by mail.
func broadcast(ctx context.Context, p *platform.Platform, admin client.Client) (t told, err error) {
	if err := errors.Join(awaitQuiet(ctx, admin), addReaders(ctx, p)); err != nil {
		return t, err
	}
	before, err := cpu(p)
	if err != nil {
		return t, err
	}
	var b struct {
		ID, State string
		Total     int
	}
	begin := time.Now()
	if err := admin.Call(ctx, "POST /api/v1/notifications/broadcast", map[string]string{"title": "Sale", "body": "All things half price", "role": "user"}, 202, &b); err != nil {
		return t, err
	}
	for t.mails < b.Total {
		time.Sleep(100 * time.Millisecond)
		if b.State != "done" {
			if err := admin.Call(ctx, "GET /api/v1/notifications/broadcast/"+b.ID, nil, 200, &b); err != nil {
				return t, err
			}
			t.inbox = time.Since(begin)
		}
		if t.mails, _, err = mails(ctx, admin); err != nil {
			return t, err
		}
		if t.mailed = time.Since(begin); t.mailed > 10*time.Minute {
			return t, fmt.Errorf("only %d of %d mails were sent", t.mails, b.Total)
		}
	}
	if t.spent, err = cpu(p); err != nil {
		return t, err
	}
	for name := range t.spent {
		t.spent[name] -= before[name]
	}
	return t, nil
}

// addReaders makes people with an address, as registrations would in an hour.
func addReaders(ctx context.Context, p *platform.Platform) (err error) {
	url, err := p.Secret("notifications-database-url")
	if err != nil {
		return err
	}
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(ctx)) }()
	_, err = db.Exec(ctx, `
		insert into contacts (user_id, email, username, full_name)
		select gen_random_uuid(), 'reader' || n || '@example.com', 'reader' || n, 'Reader ' || n from generate_series(1, $1) n`, readers)
	return err
}

// mails counts those of broadcasts that were sent, and those of any kind that wait.
func mails(ctx context.Context, admin client.Client) (sent, waiting int, err error) {
	var days client.Page[struct {
		Kind, Channel         string
		Sent, Failed, Waiting int
	}]
	if err := admin.Call(ctx, "GET /api/v1/notifications/analytics", nil, 200, &days); err != nil {
		return 0, 0, err
	}
	for _, d := range days.Items {
		if d.Channel != "email" {
			continue
		}
		if waiting += d.Waiting; d.Failed > 0 {
			return sent, waiting, fmt.Errorf("%d mails of %s failed", d.Failed, d.Kind)
		}
		if d.Kind == "broadcast" {
			sent += d.Sent
		}
	}
	return sent, waiting, nil
}

// awaitQuiet returns when no mail waits: those about orders of other measurements went to one reader, one after the other.
func awaitQuiet(ctx context.Context, admin client.Client) error {
	for begin := time.Now(); ; time.Sleep(500 * time.Millisecond) {
		_, waiting, err := mails(ctx, admin)
		if err != nil || waiting == 0 {
			return err
		}
		if time.Since(begin) > 10*time.Minute {
			return fmt.Errorf("%d mails still wait", waiting)
		}
	}
}

// rate is mails a second, from the moment at which a broadcast is asked for.
func (t told) rate() float64 { return float64(t.mails) / t.mailed.Seconds() }

// String is a section of the report.
func (t told) String() string {
	return fmt.Sprintf("\n## Mails\n\nA broadcast to %d users was in every inbox after %s and accepted by the mail server (MailHog) after %s, one mail\n"+
		"each: %.0f mails/s; the target is 200. CPU per mail, in milliseconds, by process:\n\n", t.mails, t.inbox.Round(100*time.Millisecond),
		t.mailed.Round(100*time.Millisecond), t.rate()) + spentOn(t.spent, t.mails)
}

// spentOn is a table of what processes spent on one of n things.
func spentOn(spent map[string]float64, n int) string {
	var b strings.Builder
	b.WriteString("| process | ms |\n|---|---|\n")
	names := make([]string, 0, len(spent))
	for name := range spent {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return int(1000 * (spent[b] - spent[a])) })
	for _, name := range names {
		if ms := 1000 * spent[name] / float64(max(1, n)); ms >= 0.05 {
			fmt.Fprintf(&b, "| %s | %.1f |\n", name, ms)
		}
	}
	return b.String()
}
