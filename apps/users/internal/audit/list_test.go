package audit

import (
	"math"
	"strings"
	"testing"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestListUsesTheIndexOfItsFilter, also with a generic plan.
func TestListUsesTheIndexOfItsFilter(t *testing.T) {
	db := kittest.DB(t, Migrations)
	for _, statement := range []string{`
		set session_replication_role = replica; -- without the chain
		insert into audit.entries (seq, at, action, user_id, previous, hash)
		select n, now(), 'a' || n % 50, md5((n % 4000)::text)::uuid, '', '' from generate_series(1, 20000) n;
		reset session_replication_role`,
		`analyze audit.entries`} {
		if _, err := db.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	explaining := &kittest.Explainer{Pool: db}
	for index, f := range map[string]Filter{
		"entries_by_user": {UserID: kittest.NewCaller(shop.User).ID}, "entries_by_action": {Action: "a7"}, "entries_pkey": {},
	} {
		_, err := list(t.Context(), explaining, f, math.MaxInt64, 21)
		if err != nil || !strings.Contains(explaining.Plan, index+" ") {
			t.Errorf("without %s, %v:\n%s", index, err, explaining.Plan)
		}
	}
}
