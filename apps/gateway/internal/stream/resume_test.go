package stream

import (
	"net/http"
	"testing"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestLastEventIDInQuery: clients that cannot set the header when they reconnect send it as lastEventId.
func TestLastEventIDInQuery(t *testing.T) {
	t.Parallel()
	inbox := newInboxes()
	_, url := start(t, kittest.Verify, inbox.read)
	alice := kittest.NewCaller(shop.User)
	for range 3 {
		inbox.add(alice.ID)
	}
	for _, row := range []struct{ query, header, want string }{
		{"?lastEventId=1", "", "number 2"}, {"?lastEventId=0", "2", "number 3"}, {"?lastEventId=2", "", "number 3"}, {"?lastEventId=", "2", "number 3"},
	} {
		r := openWith(t, url, row.query, alice, row.header)
		if r.status != http.StatusOK {
			t.Errorf("%+v: %d", row, r.status)
			continue
		}
		if got := r.title(t); got != row.want {
			t.Errorf("%+v: %q", row, got)
		}
		r.close()
	}
	for _, query := range []string{"?lastEventId=1&lastEventId=2", "?lastEventID=1"} {
		if r := openWith(t, url, query, alice, ""); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", query, r.status)
		}
	}
}
