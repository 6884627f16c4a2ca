package delivery

import (
	"fmt"
	"html"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func TestDigestIsOneMessage(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	user := newUser(t, db, "ada")
	updatePreferences(t, db, user, preference.PreferencesUpdate{Digest: ptr(preference.Daily)})
	for n := range 3 {
		enqueue(t, db, user, kind.StockBack, fmt.Sprint("thing ", n))
	}
	enqueue(t, db, user, kind.Paid, "1") // is not in the digest
	runWorker(t, db, provider, noToken)
	if got := provider.await(t, 1); got[0].Job.Kind != kind.Paid || got[0].OneClick != "" || got[0].MessageID != got[0].ID.UUID {
		t.Errorf("%+v", got)
	}
	if _, err := db.Exec(t.Context(), `update deliveries set due_at = now() where priority = 2`); err != nil {
		t.Fatal(err)
	}
	got := provider.await(t, 2)[1]
	for n := range 3 {
		if !strings.Contains(got.Body, fmt.Sprint("thing ", n)) {
			t.Errorf("no %d in %s", n, got.Body)
		}
	}
	awaitState(t, db, "sent", 4)
	if !strings.HasPrefix(got.OneClick, "https://shop.example.com/api/v1/notifications/unsubscribe?token=") || got.MessageID == got.ID.UUID {
		t.Errorf("one-click link %s; message id %s", got.OneClick, got.MessageID)
	}
	_, k, err := unsubscribeTokens.Verify(got.OneClick[strings.Index(got.OneClick, "=")+1:])
	if len(provider.messages()) != 2 || err != nil || k.Name != kind.Digest {
		t.Errorf("%d messages, %v %v", len(provider.messages()), k, err)
	}
}

// enqueueDigest enqueues a due digest of three news and a broadcast.
func enqueueDigest(t *testing.T, db *pgxpool.Pool, tracking bool) {
	t.Helper()
	user := newUser(t, db, "ada")
	updatePreferences(t, db, user, preference.PreferencesUpdate{Digest: ptr(preference.Daily), Tracking: &tracking})
	inTx(t, db, func(tx pgx.Tx) error {
		for n := range 3 {
			err := enqueueJob(t.Context(), tx, Job{UserID: user, Kind: kind.StockBack, Path: fmt.Sprint("/api/v1/products/", n),
				Variables: template.Variables{Product: fmt.Sprint("<thing> ", n)}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	enqueue(t, db, user, kind.Broadcast, "Hello all")
	if _, err := db.Exec(t.Context(), `update deliveries set due_at = now()`); err != nil {
		t.Fatal(err)
	}
}

// TestDigestItems checks the title, body and link of each item, in both parts of the e-mail.
func TestDigestItems(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	enqueueDigest(t, db, false)
	runWorker(t, db, provider, noToken)
	m := provider.await(t, 1)[0]
	for n := range 3 {
		link := fmt.Sprint("https://shop.example.com/api/v1/products/", n)
		text := fmt.Sprintf("Back in stock: <thing> %d\nYou asked us to let you know: <thing> %[1]d is available again.\n%s\n\n", n, link)
		page := fmt.Sprintf("<a href=%q>Back in stock: &lt;thing&gt; %d</a><br>\n"+
			"You asked us to let you know: &lt;thing&gt; %[2]d is available again.<br><br>\n", link, n)
		if !strings.Contains(m.Body, text) || !strings.Contains(m.HTML, page) {
			t.Errorf("without %q or %q:\n%s\n%s", text, page, m.Body, m.HTML)
		}
	}
	if !strings.Contains(m.Body, "\n\nHello all\nHello all\n\nSee what is new:\nhttps://shop.example.com/live\n") ||
		!strings.Contains(m.HTML, `<b>Hello all</b><br>`) || !strings.Contains(m.HTML, `<p class="button"><a href="https://shop.example.com/live">`) {
		t.Errorf("%s\n%s", m.Body, m.HTML)
	}
}

// TestDigestIsRetriedAsOne covers a temporary failure.
func TestDigestIsRetriedAsOne(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	enqueueDigest(t, db, false)
	var attempts atomic.Int32
	provider.failWith(func(Message) error {
		if attempts.Add(1) < 3 {
			return fmt.Errorf("%w: 451 later", ErrTemporary)
		}
		return nil
	})
	runWorker(t, db, provider, noToken)
	awaitState(t, db, "sent", 4)
	if n := len(provider.messages()); n != 1 || attempts.Load() != 3 {
		t.Errorf("%d messages in %d attempts", n, attempts.Load())
	}
}

// TestDigestIsOneAfterACrash checks that the digest is sent as one, with the same Message-ID.
func TestDigestIsOneAfterACrash(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	enqueueDigest(t, db, false)
	var claimed []Job
	inTx(t, db, func(tx pgx.Tx) error {
		first, err := claim(t.Context(), tx, kind.Email, 1, true)
		if err != nil {
			return err
		}
		others, err := claimDigest(t.Context(), tx, first[0].Job, 10, true)
		for _, c := range append(first, others...) {
			claimed = append(claimed, c.Job)
		}
		return err
	})
	if _, err := db.Exec(t.Context(), `update deliveries set leased_until = now()`); err != nil {
		t.Fatal(err)
	}
	runWorker(t, db, provider, noToken)
	awaitState(t, db, "sent", 4)
	if got := provider.messages(); len(claimed) != 4 || len(got) != 1 || got[0].Job.ID != claimed[0].ID {
		t.Errorf("%d jobs claimed; %d messages: %+v", len(claimed), len(got), got)
	}
	page, err := NewService(db, TrackingTokens{}).History(t.Context(), HistoryQuery{PageQuery: web.PageQuery{Limit: 10}, Outcome: "unknown"})
	if err != nil || len(page.Items) != 4 {
		t.Errorf("%d unknown attempts, %v", len(page.Items), err)
	}
}

// TestDigestIsTrackedAsAWhole checks that each of its links counts all its items.
func TestDigestIsTrackedAsAWhole(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	enqueueDigest(t, db, true)
	runWorker(t, db, provider, noToken)
	found := map[string][]string{}
	for _, m := range trackedURL.FindAllStringSubmatch(provider.await(t, 1)[0].HTML, -1) {
		found[m[1]] = append(found[m[1]], "GET "+html.UnescapeString(m[2]))
	}
	if len(found["src"]) != 1 || len(found["href"]) != 4 { // three items and the button
		t.Fatalf("%v", found)
	}
	awaitState(t, db, "sent", 4)
	app := web.New("notifications", web.Config{Verify: kittest.Verify})
	NewService(db, NewTrackingTokens("key")).Routes(app)
	admin := kittest.NewCaller(shop.Admin)
	counts := func(opened, clicked int) kittest.Call {
		return kittest.Call{Name: "counted", As: admin, Do: "GET /notifications/analytics", Want: 200, Has: []string{fmt.Sprintf(
			`"kind":"stock.back","channel":"email","planned":3,"sent":3,"failed":0,"skipped":0,"waiting":0,"opened":%d,"clicked":%d`,
			opened, clicked)}}
	}
	kittest.Run(t, app, nil, []kittest.Call{
		counts(0, 0), {Name: "opened", Do: found["src"][0], Want: 200},
		counts(3, 0), {Name: "followed", Do: found["href"][2], Want: 303}, counts(3, 3),
	})
}
