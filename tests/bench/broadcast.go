package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// recipients is the number of users that get a broadcast.
const recipients = 5000

// broadcast has the durations until all inboxes had a broadcast, and until the mail server had the last mail.
type broadcast struct {
	mails         int
	inbox, mailed time.Duration
	cpu           map[string]float64 // seconds by process, until the last mail
}

// measureBroadcast sends a broadcast, and waits until all mails are sent.
func measureBroadcast(ctx context.Context, p *platform.Platform, admin client.Client) (t broadcast, err error) {
	if err := errors.Join(awaitMails(ctx, admin), addRecipients(ctx, p)); err != nil {
		return t, err
	}
	before, err := cpuSeconds(p)
	if err != nil {
		return t, err
	}
	var b struct {
		ID, State string
		Total     int
	}
	begin := time.Now()
	message := map[string]string{"title": "Sale", "body": "Half price", "role": "user"}
	if err := admin.Call(ctx, "POST /api/v1/notifications/broadcast", message, 202, &b); err != nil {
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
	if t.cpu, err = cpuSeconds(p); err != nil {
		return t, err
	}
	for name := range t.cpu {
		t.cpu[name] -= before[name]
	}
	return t, nil
}

// addRecipients inserts contacts with an address, which would take an hour of registrations.
func addRecipients(ctx context.Context, p *platform.Platform) (err error) {
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
		select gen_random_uuid(), 'recipient' || n || '@example.com', 'recipient' || n, 'Recipient ' || n
		from generate_series(1, $1) n`, recipients)
	return err
}

// mails counts the sent mails of broadcasts, and the waiting ones of all kinds.
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

// awaitMails returns when no mail of earlier measurements waits.
func awaitMails(ctx context.Context, admin client.Client) error {
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

// rate is mails a second, from the request for the broadcast on.
func (b broadcast) rate() float64 { return float64(b.mails) / b.mailed.Seconds() }

// String is a section of the report.
func (b broadcast) String() string {
	return fmt.Sprintf(`
## Mails

A broadcast to %d users was in every inbox after %s and accepted by the mail server (MailHog) after %s, one mail
each: %.0f mails/s; the target is 200. CPU per mail, in milliseconds, by process:

`, b.mails, b.inbox.Round(100*time.Millisecond), b.mailed.Round(100*time.Millisecond), b.rate()) +
		cpuTable(b.cpu, b.mails)
}

// cpuTable shows the CPU time of each process per item, without those below 0.05 ms.
func cpuTable(seconds map[string]float64, items int) string {
	var b strings.Builder
	b.WriteString("| process | ms |\n|---|---|\n")
	most := func(a, b string) int { return cmp.Compare(seconds[b], seconds[a]) }
	for _, name := range slices.SortedFunc(maps.Keys(seconds), most) {
		if ms := 1000 * seconds[name] / float64(max(1, items)); ms >= 0.05 {
			fmt.Fprintf(&b, "| %s | %.1f |\n", name, ms)
		}
	}
	return b.String()
}
