package order

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestListUsesTheIndexOfItsFilter, also if Postgres plans once for all values, as it does for a frequent statement.
func TestListUsesTheIndexOfItsFilter(t *testing.T) {
	db := kittest.DB(t, event.Migrations, Migrations)
	if _, err := db.Exec(t.Context(), `
		insert into orders (id, number, user_id, status, items, total, currency, shipping_address, payment_method, payment_token)
		select gen_random_uuid(), n::text, md5((n % 4000)::text)::uuid, (array['paid', 'shipped', 'pending', 'delivered'])[1 + n % 4],
			'[]', 1, 'USD', '{}', 'paypal', '' from generate_series(1, 20000) n`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `analyze orders`); err != nil {
		t.Fatal(err)
	}
	user, explaining := kittest.NewCaller(shop.User).ID, &kittest.Explainer{Pool: db}
	for index, f := range map[string]Filter{
		"orders_by_user": {UserID: &user}, "orders_by_status": {Status: Pending}, "orders_pkey": {},
	} {
		_, err := list(t.Context(), explaining, f, maxID, 21)
		if err != nil || !strings.Contains(explaining.Plan, index+" ") {
			t.Errorf("without %s, %v:\n%s", index, err, explaining.Plan)
		}
	}
}

// TestReasonsGetTheirCodes: the migrations turn the texts that earlier versions stored into codes of today and keep
// what users and admins wrote.
func TestReasonsGetTheirCodes(t *testing.T) {
	db := kittest.DB(t, event.Migrations, Migrations)
	updates, texts := "", []string{"", "changed my mind", "it could not be completed"}
	for _, name := range []string{"migrations/0008_reason_codes.sql", "migrations/0009_names.sql"} {
		migration, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, after, found := strings.Cut(string(migration), "\nupdate ")
		if !found {
			t.Fatal("no updates in " + name)
		}
		updates += "update " + after
	}
	ofHistory, _, _ := strings.Cut(updates, ";")
	for _, pair := range regexp.MustCompile(`\('\w+', '(.+)'\)`).FindAllStringSubmatch(ofHistory, -1) {
		texts = append(texts, pair[1])
	}
	if len(texts) != 3+len(shop.Reasons) {
		t.Fatalf("%d texts become %d reasons", len(texts)-3, len(shop.Reasons))
	}
	id := shop.OrderID{UUID: shop.NewID()}
	if _, err := db.Exec(t.Context(), `
		insert into orders (id, number, user_id, status, items, total, currency, shipping_address, payment_method, payment_token)
		values ($1, 'SC-1', $1, 'pending', '[]', 1, 'USD', '{}', 'paypal', '')`, id); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `
		insert into order_history (order_id, status, at, by, reason)
		select $1, 'cancelled', now(), 'system', text from unnest($2::text[]) text`, id, texts); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), updates, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	changes, err := history(t.Context(), db, id)
	if err != nil || len(changes) != len(texts) {
		t.Fatalf("%v, %v", changes, err)
	}
	codes := map[shop.Reason]bool{}
	for n, change := range changes {
		switch {
		case n < 3 && (change.Reason != texts[n] || change.ReasonCode != ""):
			t.Errorf("%q became %q, code %q", texts[n], change.Reason, change.ReasonCode)
		case n >= 3 && shop.Reasons[change.ReasonCode] == "":
			t.Errorf("%q became the unknown code %q", texts[n], change.ReasonCode)
		case n >= 3:
			codes[change.ReasonCode] = true
		}
	}
	if len(codes) != len(shop.Reasons) {
		t.Errorf("only the codes %v", codes)
	}
}
