package order

import (
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestListUsesTheIndexOfItsFilter, also where Postgres plans once for all values, as it does for a statement that is
// used often.
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
	somebody, explaining := kittest.NewCaller(shop.User).ID, &kittest.Explainer{Pool: db}
	for index, f := range map[string]Filter{"orders_by_user": {UserID: &somebody}, "orders_by_status": {Status: Pending}, "orders_pkey": {}} {
		if _, err := list(t.Context(), explaining, f, last, 21); err != nil || !strings.Contains(explaining.Plan, index+" ") {
			t.Errorf("without %s, %v:\n%s", index, err, explaining.Plan)
		}
	}
}

// TestReasonsGetTheirCodes: what earlier rows say in words is a code after the migration, and the words of people stay.
func TestReasonsGetTheirCodes(t *testing.T) {
	db := kittest.DB(t, event.Migrations, Migrations)
	migration, err := os.ReadFile("migrations/0008_reason_codes.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, updates, found := strings.Cut(string(migration), "\n\n")
	if !found {
		t.Fatal("no updates")
	}
	id := shop.OrderID{UUID: shop.NewID()}
	if _, err := db.Exec(t.Context(), `
		insert into orders (id, number, user_id, status, items, total, currency, shipping_address, payment_method, payment_token)
		values ($1, 'SC-1', $1, 'pending', '[]', 1, 'USD', '{}', 'paypal', '')`, id); err != nil {
		t.Fatal(err)
	}
	texts := []string{"", "changed my mind", "it could not be completed"}
	for _, text := range shop.Reasons {
		texts = append(texts, text)
	}
	if _, err := db.Exec(t.Context(), `
		insert into order_history (order_id, status, at, by, reason) select $1, 'cancelled', now(), 'system', text from unnest($2::text[]) text`, id, texts); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), updates, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	steps, err := history(t.Context(), db, id)
	if err != nil || len(steps) != len(texts) {
		t.Fatalf("%v, %v", steps, err)
	}
	for n, step := range steps {
		if step.Reason != texts[n] || (step.ReasonCode != "") != (n > 2) {
			t.Errorf("%q has become %q, code %q", texts[n], step.Reason, step.ReasonCode)
		}
	}
}
