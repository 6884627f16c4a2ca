package inbox

import (
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func newFixture(t *testing.T) (*web.App, *pgxpool.Pool) {
	t.Helper()
	db := kittest.DB(t, event.Migrations, Migrations)
	app := web.New("notifications", web.Config{Verify: kittest.Verify})
	NewService(db).Routes(app)
	return app, db
}

func readInbox(t *testing.T, app *web.App, caller shop.Caller, query string) (in NotificationPage) {
	t.Helper()
	status, body := kittest.Do(t, app, kittest.Call{As: caller, Do: "GET /notifications" + query})
	if status != 200 {
		t.Fatalf("inbox: %d: %s", status, body)
	}
	if err := json.Unmarshal(body, &in); err != nil {
		t.Fatal(err)
	}
	return in
}
