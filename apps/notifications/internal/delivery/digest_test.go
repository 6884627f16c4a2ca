package delivery

import (
	"fmt"
	"html"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/inbox"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func TestDigestIsOneLetter(t *testing.T) {
	t.Parallel()
	db, box := database(t), &fakeProvider{}
	user := newUser(t, db, "ada")
	if _, err := preference.NewService(db, unsubscribeTokens, Reconsider).Update(t.Context(), user, preference.PreferencesUpdate{Digest: ptr(preference.Daily)}); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		enqueue(t, db, user, kind.StockBack, fmt.Sprint("thing ", n))
	}
	enqueue(t, db, user, kind.Paid, "1") // does not wait for the morning
	runWorker(t, db, box, noToken)
	if got := box.await(t, 1); got[0].Job.Kind != kind.Paid || got[0].Unsubscribe+got[0].OneClick != "" || got[0].MessageID != got[0].ID.UUID {
		t.Errorf("%+v", got)
	}
	if _, err := db.Exec(t.Context(), `update deliveries set due_at = now() where lane = 2`); err != nil {
		t.Fatal(err)
	}
	got := box.await(t, 2)[1]
	for n := range 3 {
		if !strings.Contains(got.Body, fmt.Sprint("thing ", n)) {
			t.Errorf("no %d in %s", n, got.Body)
		}
	}
	awaitState(t, db, "sent", 4)
	if !strings.HasPrefix(got.OneClick, "https://shop.example.com/api/v1/notifications/unsubscribe?token=") || got.MessageID == got.ID.UUID {
		t.Errorf("ended by %s; its id is one delivery's: %s", got.OneClick, got.MessageID)
	}
	_, about, err := unsubscribeTokens.Verify(got.Unsubscribe[strings.Index(got.Unsubscribe, "=")+1:])
	if len(box.messages()) != 2 || err != nil || about.Name != kind.Digest {
		t.Errorf("%d letters, %v %v", len(box.messages()), about, err)
	}
}

// enqueueDigest plans three news and a message to all in one digest, which is due.
func enqueueDigest(t *testing.T, db *pgxpool.Pool, tracking bool) {
	t.Helper()
	user := newUser(t, db, "ada")
	updatePreferences(t, db, user, preference.PreferencesUpdate{Digest: ptr(preference.Daily), Tracking: &tracking})
	inTx(t, db, func(tx pgx.Tx) error {
		wants, err := preference.Get(t.Context(), tx, user)
		for n := range 3 {
			d := Job{NotificationID: uuid.New(), UserID: user, Kind: kind.StockBack, Path: fmt.Sprint("/api/v1/products/", n),
				Variables: template.Variables{Product: fmt.Sprint("<thing> ", n)}}
			if err == nil {
				err = Enqueue(t.Context(), tx, Request{d, wants, false})
			}
		}
		return err
	})
	enqueue(t, db, user, kind.Broadcast, "Hello all")
	if _, err := db.Exec(t.Context(), `update deliveries set due_at = now()`); err != nil {
		t.Fatal(err)
	}
}

// TestADigestHasALineForEach of its news, and where that has one a link, in both parts.
func TestADigestHasALineForEach(t *testing.T) {
	t.Parallel()
	db, box := database(t), &fakeProvider{}
	enqueueDigest(t, db, false)
	runWorker(t, db, box, noToken)
	l := box.await(t, 1)[0]
	for n := range 3 {
		link := fmt.Sprint("https://shop.example.com/api/v1/products/", n)
		text := fmt.Sprintf("Back in the shop: <thing> %d\nYou asked us to tell you: <thing> %[1]d is here again.\n%s\n\n", n, link)
		page := fmt.Sprintf("<a href=%q>Back in the shop: &lt;thing&gt; %d</a><br>\nYou asked us to tell you: &lt;thing&gt; %[2]d is here again.<br><br>\n", link, n)
		if !strings.Contains(l.Body, text) || !strings.Contains(l.HTML, page) {
			t.Errorf("without %q or %q:\n%s\n%s", text, page, l.Body, l.HTML)
		}
	}
	if !strings.Contains(l.Body, "\n\nHello all\nHello all\n\nSee what is new:\nhttps://shop.example.com/live\n") ||
		!strings.Contains(l.HTML, `<b>Hello all</b><br>`) || !strings.Contains(l.HTML, `<p class="button"><a href="https://shop.example.com/live">`) {
		t.Errorf("%s\n%s", l.Body, l.HTML)
	}
}

// TestADigestStaysOne after a no for now, which has all of it wait for the same time.
func TestADigestStaysOne(t *testing.T) {
	t.Parallel()
	db, box := database(t), &fakeProvider{}
	enqueueDigest(t, db, false)
	var asked atomic.Int32
	box.failWith(func(Message) error {
		if asked.Add(1) < 3 {
			return fmt.Errorf("%w: 451 later", ErrTemporary)
		}
		return nil
	})
	runWorker(t, db, box, noToken)
	awaitState(t, db, "sent", 4)
	if n := len(box.messages()); n != 1 || asked.Load() != 3 {
		t.Errorf("%d letters in %d attempts", n, asked.Load())
	}
}

// TestADigestStaysOneAfterACrash, and has the same id, by which mail programs know that they have it.
func TestADigestStaysOneAfterACrash(t *testing.T) {
	t.Parallel()
	db, box := database(t), &fakeProvider{}
	enqueueDigest(t, db, false)
	var crashed []Job
	inTx(t, db, func(tx pgx.Tx) error {
		first, err := claim(t.Context(), tx, kind.Email, 1, true)
		if err != nil {
			return err
		}
		others, err := claimDigest(t.Context(), tx, first[0].Job, 10, true)
		for _, c := range append(first, others...) {
			crashed = append(crashed, c.Job)
		}
		return err
	})
	if _, err := db.Exec(t.Context(), `update deliveries set leased_until = now()`); err != nil {
		t.Fatal(err)
	}
	runWorker(t, db, box, noToken)
	awaitState(t, db, "sent", 4)
	if got := box.messages(); len(crashed) != 4 || len(got) != 1 || got[0].Job.ID != crashed[0].ID {
		t.Errorf("%d were taken; %d letters: %+v", len(crashed), len(got), got)
	}
	page, err := NewService(db).History(t.Context(), Filter{Outcome: "unknown"}, pageOf(10))
	if err != nil || len(page.Items) != 4 {
		t.Errorf("%d unknown attempts, %v", len(page.Items), err)
	}
}

// TestADigestIsOpenedAndFollowedAsAWhole by any of its links.
func TestADigestIsOpenedAndFollowedAsAWhole(t *testing.T) {
	t.Parallel()
	db, box := kittest.DB(t, Migrations, contact.Migrations, preference.Migrations, template.Migrations, inbox.Migrations), &fakeProvider{}
	enqueueDigest(t, db, true)
	runWorker(t, db, box, noToken)
	found := map[string][]string{}
	for _, m := range trackedURL.FindAllStringSubmatch(box.await(t, 1)[0].HTML, -1) {
		found[m[1]] = append(found[m[1]], "GET "+html.UnescapeString(m[2]))
	}
	if len(found["src"]) != 1 || len(found["href"]) != 4 { // three things and the button
		t.Fatalf("%v", found)
	}
	awaitState(t, db, "sent", 4)
	app := web.New("notifications", web.Config{Verify: kittest.Verify})
	NewDesk(NewService(db), inbox.NewService(db), NewTrackingTokens("key")).Routes(app)
	admin := kittest.NewCaller(shop.Admin)
	counts := func(opened, clicked int) kittest.Call {
		return kittest.Call{Name: "counted", As: admin, Do: "GET /notifications/analytics", Want: 200, Has: []string{
			fmt.Sprintf(`"kind":"stock.back","channel":"email","planned":3,"sent":3,"failed":0,"skipped":0,"waiting":0,"opened":%d,"clicked":%d`, opened, clicked)}}
	}
	kittest.Run(t, app, nil, []kittest.Call{
		counts(0, 0), {Name: "opened", Do: found["src"][0], Want: 200}, counts(3, 0), {Name: "followed", Do: found["href"][2], Want: 303}, counts(3, 3),
	})
}
