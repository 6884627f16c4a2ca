package event_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestTxWakesTheRelay once a transaction with events is committed, and not before.
func TestTxWakesTheRelay(t *testing.T) {
	db := event.NewOutbox(kittest.DB(t, event.Migrations))
	woken := func() bool {
		select {
		case <-event.Wake(db):
			return true
		default:
			return false
		}
	}
	failed := errors.New("and then it failed")
	emit := func(tx event.TX) error { return event.Emit(t.Context(), tx, shop.OrderCancelled{}) }
	for _, c := range []struct {
		name string
		do   func(tx event.TX) error
		err  error
		want bool
	}{
		{"no event", func(event.TX) error { return nil }, nil, false},
		{"an event", emit, nil, true},
		{"no event after one", func(event.TX) error { return nil }, nil, false},
		{"an event that is rolled back", func(tx event.TX) error { return errors.Join(emit(tx), failed) }, failed, false},
		{"an event, and a part that is rolled back", func(tx event.TX) error {
			err := emit(tx)
			if part := pgx.BeginFunc(t.Context(), tx, func(pgx.Tx) error { return failed }); !errors.Is(part, failed) {
				t.Error(part)
			}
			return err
		}, nil, true},
	} {
		err := db.Tx(t.Context(), func(tx event.TX) error {
			err := c.do(tx)
			if woken() {
				t.Errorf("%s: woken before the commit", c.name)
			}
			return err
		})
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := woken(); got != c.want {
			t.Errorf("%s: woken %t", c.name, got)
		}
	}
}
