package delivery

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/inbox"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

var trackedURL = regexp.MustCompile(`(src|href)="https://shop\.example\.com/api/v1(/notifications/(?:opened|clicked)\?token=[^"]+)"`)

// TestMailsTellOnlyWhatTheirReaderAllows, and lead only to pages of ours.
func TestMailsTellOnlyWhatTheirReaderAllows(t *testing.T) {
	t.Parallel()
	db, box := kittest.DB(t, Migrations, contact.Migrations, preference.Migrations, template.Migrations, inbox.Migrations), &fakeProvider{}
	user := newUser(t, db, "ada")
	mail := func(kindName string) Message {
		t.Helper()
		before := len(box.messages())
		inTx(t, db, func(tx pgx.Tx) error {
			wants, _ := preference.Get(t.Context(), tx, user)
			return Enqueue(t.Context(), tx, Request{Job{NotificationID: uuid.New(), UserID: user, Kind: kindName, Path: "/api/v1/products/7",
				Variables: template.Variables{Number: "1", Product: "x"}}, wants, false})
		})
		return box.await(t, before+1)[before]
	}
	allow := func(yes bool) {
		t.Helper()
		if _, err := preference.NewService(db, unsubscribeTokens, Reconsider).Update(t.Context(), user, preference.PreferencesUpdate{Tracking: &yes}); err != nil {
			t.Fatal(err)
		}
	}
	runWorker(t, db, box, noToken)
	if l := mail(kind.StockBack); trackedURL.MatchString(l.HTML+l.Body) || !strings.Contains(l.HTML, `href="https://shop.example.com/api/v1/products/7"`) {
		t.Errorf("it tells, and nobody allowed that: %s", l.HTML)
	}
	allow(true)
	if l := mail(kind.Paid); trackedURL.MatchString(l.HTML + l.Body) {
		t.Errorf("about an order it tells: %s", l.HTML)
	}
	l, found := mail(kind.StockBack), map[string]string{}
	for _, m := range trackedURL.FindAllStringSubmatch(l.HTML, -1) {
		found[m[1]] = "GET " + html.UnescapeString(m[2])
	}
	if len(found) != 2 {
		t.Fatalf("%v in %s", found, l.HTML)
	}

	app := web.New("notifications", web.Config{Verify: kittest.Verify})
	NewDesk(NewService(db), inbox.NewService(db), NewTrackingTokens("key")).Routes(app)
	admin := kittest.NewCaller(shop.Admin)
	counts := func(name, opened, clicked string) kittest.Call {
		return kittest.Call{Name: name, As: admin, Do: "GET /notifications/analytics", Want: 200,
			Has: []string{`"kind":"stock.back","channel":"email","planned":2,"sent":2,"failed":0,"skipped":0,"waiting":0,"opened":` + opened + `,"clicked":` + clicked}}
	}
	forged := func(key, path string) string {
		return "GET /notifications/clicked?token=" + url.QueryEscape(NewTrackingTokens(key).Sign(l.ID, path))
	}
	awaitState(t, db, "sent", 3)
	allow(false)
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "not allowed any more: the link works", Do: found["href"], Want: 303}, counts("and nothing is kept", "0", "0"),
	})
	allow(true)
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "opened", Do: found["src"], Want: 200, Has: []string{"GIF89a"}}, counts("it counts", "1", "0"),
		{Name: "followed", Do: found["href"], Want: 303}, {Name: "again", Do: found["href"], Want: 303}, counts("it counts once", "1", "1"),
		{Name: "a picture is no link", Do: strings.Replace(found["src"], "opened", "clicked", 1), Want: 404, Has: []string{"mail_link_invalid"}},
		{Name: "a link is no picture", Do: strings.Replace(found["href"], "clicked", "opened", 1), Want: 404},
		{Name: "another key", Do: forged("another", "/live"), Want: 404},
		{Name: "another site", Do: forged("key", "https://evil.example"), Want: 404},
		{Name: "another site, hidden", Do: forged("key", "//evil.example"), Want: 404},
		{Name: "another site, hidden otherwise", Do: forged("key", `/\evil.example`), Want: 404},
		{Name: "cut off", Do: found["href"][:len(found["href"])-2], Want: 404},
		{Name: "no token", Do: "GET /notifications/clicked?token=x", Want: 404},
		{Name: "nothing", Do: "GET /notifications/opened", Want: 422},
	})
	if _, err := db.Exec(t.Context(), `alter table preferences rename to elsewhere`); err != nil {
		t.Fatal(err)
	}
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "what cannot be counted leads on", Do: found["href"], Want: 303}, {Name: "and is shown", Do: found["src"], Want: 200},
	})
	if _, err := db.Exec(t.Context(), `alter table elsewhere rename to preferences`); err != nil {
		t.Fatal(err)
	}
	inTx(t, db, func(tx pgx.Tx) error { return Purge(t.Context(), tx, user) })
	kittest.Run(t, app, nil, []kittest.Call{counts("erased", "0", "0")})
}
