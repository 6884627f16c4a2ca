package account_test

import (
	"testing"

	"sidecart/kit/kittest"
)

// TestInvisibleCharacters: no account differs from another one by invisible characters only.
func TestInvisibleCharacters(t *testing.T) {
	s := newFixture(t)
	row := func(name, body, field string) kittest.Call {
		return kittest.Call{Name: name, Do: "POST /auth/register", Body: body, Want: 422, Has: []string{field}}
	}
	kittest.Run(t, s.app, s.db, []kittest.Call{
		row("username", registration("\u3164\u3164\u3164", "a@example.com", password), `"username"`),
		row("within a username", registration("test\u3164user", "a@example.com", password), `"username"`),
		row("address", registration("another", "a\u200b@example.com", password), `"email":"must not contain invisible characters"`),
		row("full name", `{"username":"invisible","email":"i@example.com","password":"`+password+`","full_name":"\u200b\u2060"}`, `"full_name":"must not be blank"`),
	})
}
