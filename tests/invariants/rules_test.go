package invariants_test

import (
	"strings"
	"testing"

	"sidecart/tests/invariants"
)

// brokenRulesAreFound breaks each rule once, in a transaction that is rolled back.
func brokenRulesAreFound(t *testing.T) {
	d, err := invariants.Open(t.Context(), running.Secret)
	must(t, err)
	defer d.Close() //nolint:errcheck // only read
	before, err := d.Check(t.Context(), 0)
	must(t, err)
	must(t, invariants.Wrong(before))
	broken := map[string]bool{}
	for _, b := range []struct{ rule, service, statement string }{
		{"the movements", "products", `alter table stock disable trigger stock_writes_ledger; update stock set on_hand = on_hand + 1 where product_id = 1`},
		{"reserved stock", "products", `update stock set reserved = reserved + 1 where product_id = 1`},
		{"the stock of an order", "products", `update reservations set state = 'released' where state = 'committed'`},
		{"refunded items", "products", `update reservation_lines set returned = 0`},
		{"each charge", "orders", `update simulated_ledger set amount = amount + 1 where state = 'approved'`},
		{"no order stays", "orders", `update orders set status = 'pending' where status <> 'cancelled'`},
		{"each step", "notifications", `delete from notifications where kind = 'orders.refunded'`},
		{"no event waits", "users", `insert into outbox (id, topic, key, data) values (gen_random_uuid(), 'x', 'x', '{}')`},
		{"no event is", "users", `insert into dead_letters (event_id, topic, event) values (gen_random_uuid(), 'x', '{}')`},
	} {
		conn := d.Of(b.service)
		_, err := conn.Exec(t.Context(), `begin; `+b.statement)
		must(t, err)
		after, err := d.Check(t.Context(), 0)
		must(t, err)
		_, err = conn.Exec(t.Context(), `rollback`)
		must(t, err)
		for _, f := range after {
			if strings.HasPrefix(f.Rule, b.rule) {
				broken[f.Rule] = len(f.Wrong) > 0
			}
		}
	}
	for _, f := range before {
		if !broken[f.Rule] {
			t.Errorf("%q was not found broken", f.Rule)
		}
	}
}
