package account

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestListUsesTheIndexOfItsFilter, also with a prepared statement.
func TestListUsesTheIndexOfItsFilter(t *testing.T) {
	db := kittest.DB(t, event.Migrations, Migrations)
	for _, statement := range []string{`
		insert into accounts (id, username, username_key, username_shape, email, email_key, full_name, role, password_hash)
		select gen_random_uuid(), name, name, name, name, name, name, 'user', '' from (select md5(n::text) as name from generate_series(1, 20000) n) names`,
		`analyze accounts`} {
		if _, err := db.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	explaining := &kittest.Explainer{Pool: db}
	for index, f := range map[string]Filter{"accounts_by_username": {Q: "c4ca4238"}, "accounts_pkey": {Role: shop.User}} {
		found, err := list(t.Context(), explaining, f, shop.UserID{UUID: uuid.Max}, 21)
		if err != nil || len(found) == 0 || !strings.Contains(explaining.Plan+" ", index+" ") {
			t.Errorf("%d found without %s, %v:\n%s", len(found), index, err, explaining.Plan)
		}
	}
}
