package delivery

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

var trackedURL = regexp.MustCompile(`(src|href)="https://shop\.example\.com/api/v1(/notifications/(?:opened|clicked)\?token=[^"]+)"`)

// TestTracking checks that e-mails are tracked only if the user allows it, and that tracked links stay on this site.
func TestTracking(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	user := newUser(t, db, "ada")
	mail := func(kindName string) Message {
		t.Helper()
		before := len(provider.messages())
		inTx(t, db, func(tx pgx.Tx) error {
			return enqueueJob(t.Context(), tx, Job{UserID: user, Kind: kindName, Path: "/api/v1/products/7",
				Variables: template.Variables{Number: "1", Product: "x"}})
		})
		return provider.await(t, before+1)[before]
	}
	allow := func(yes bool) {
		t.Helper()
		updatePreferences(t, db, user, preference.PreferencesUpdate{Tracking: &yes})
	}
	runWorker(t, db, provider, noToken)
	const plainLink = `href="https://shop.example.com/api/v1/products/7"`
	if m := mail(kind.StockBack); trackedURL.MatchString(m.HTML+m.Body) || !strings.Contains(m.HTML, plainLink) {
		t.Errorf("tracked without permission: %s", m.HTML)
	}
	allow(true)
	if m := mail(kind.Paid); trackedURL.MatchString(m.HTML + m.Body) {
		t.Errorf("an e-mail about an order is tracked: %s", m.HTML)
	}
	message, found := mail(kind.StockBack), map[string]string{}
	for _, m := range trackedURL.FindAllStringSubmatch(message.HTML, -1) {
		found[m[1]] = "GET " + html.UnescapeString(m[2])
	}
	if len(found) != 2 {
		t.Fatalf("%v in %s", found, message.HTML)
	}

	app := web.New("notifications", web.Config{Verify: kittest.Verify})
	NewService(db, NewTrackingTokens("key")).Routes(app)
	admin := kittest.NewCaller(shop.Admin)
	counts := func(name, opened, clicked string) kittest.Call {
		return kittest.Call{Name: name, As: admin, Do: "GET /notifications/analytics", Want: 200, Has: []string{
			`"kind":"stock.back","channel":"email","planned":2,"sent":2,"failed":0,"skipped":0,"waiting":0,"opened":` + opened +
				`,"clicked":` + clicked}}
	}
	forged := func(key, path string) string {
		return "GET /notifications/clicked?token=" + url.QueryEscape(NewTrackingTokens(key).Sign(message.ID, path))
	}
	awaitState(t, db, "sent", 3)
	allow(false)
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "the first year", As: admin, Do: "GET /notifications/analytics?from=0000-01-01&to=0000-01-01", Want: 200},
		{Name: "the last year", As: admin, Do: "GET /notifications/analytics?from=9999-12-31&to=9999-12-31", Want: 200},
		{Name: "not allowed any more: the link works", Do: found["href"], Want: 303},
		counts("not allowed any more: not counted", "0", "0"),
	})
	allow(true)
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "opened", Do: found["src"], Want: 200, Has: []string{"GIF89a"}}, counts("counted as opened", "1", "0"),
		{Name: "followed", Do: found["href"], Want: 303}, {Name: "followed again", Do: found["href"], Want: 303}, counts("counted once", "1", "1"),
		{Name: "the pixel's token as a link", Do: strings.Replace(found["src"], "opened", "clicked", 1), Want: 404, Has: []string{"mail_link_invalid"}},
		{Name: "a link's token as a pixel", Do: strings.Replace(found["href"], "clicked", "opened", 1), Want: 404},
		{Name: "another key", Do: forged("another", "/live"), Want: 404},
		{Name: "another site", Do: forged("key", "https://evil.example"), Want: 404},
		{Name: "another site without scheme", Do: forged("key", "//evil.example"), Want: 404},
		{Name: "another site with a backslash", Do: forged("key", `/\evil.example`), Want: 404},
		{Name: "truncated", Do: found["href"][:len(found["href"])-2], Want: 404},
		{Name: "invalid token", Do: "GET /notifications/clicked?token=x", Want: 404},
		{Name: "no token", Do: "GET /notifications/opened", Want: 422},
	})
	if _, err := db.Exec(t.Context(), `alter table preferences rename to elsewhere`); err != nil {
		t.Fatal(err)
	}
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "the link works without the database", Do: found["href"], Want: 303},
		{Name: "the pixel works without the database", Do: found["src"], Want: 200},
	})
	if _, err := db.Exec(t.Context(), `alter table elsewhere rename to preferences`); err != nil {
		t.Fatal(err)
	}
	inTx(t, db, func(tx pgx.Tx) error { return Purge(t.Context(), tx, user) })
	kittest.Run(t, app, nil, []kittest.Call{counts("erased", "0", "0")})
}
