package delivery

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestMailWaitsForTheRegistration: topics come in any order, so what is told of an order may be heard before who placed it.
func TestMailWaitsForTheRegistration(t *testing.T) {
	t.Parallel()
	db, box := database(t), &fakeProvider{}
	strangers := make([]shop.UserID, 2*failuresToOpen) // enough to open the breaker, if they touched it
	for n := range strangers {
		strangers[n] = shop.UserID{UUID: shop.NewID()}
		enqueue(t, db, strangers[n], kind.Paid, "1")
	}
	inTx(t, db, func(tx pgx.Tx) error {
		return contact.UpdateRole(t.Context(), tx, shop.NewID(), strangers[0], shop.Admin)
	}) // says no address either
	runWorker(t, db, box, noToken)
	enqueue(t, db, newUser(t, db, "bob"), kind.Paid, "2")
	box.await(t, 1)
	kittest.Eventually(t, 20*time.Second, func() error {
		var tried int
		err := db.QueryRow(t.Context(), `
			select count(distinct delivery_id) from attempts where outcome = 'failed' and answer like 'not ready: their registration%'`).Scan(&tried)
		if err != nil || tried < len(strangers) {
			return fmt.Errorf("%d were tried, %w", tried, err)
		}
		return nil
	})
	if s := states(t, db); s["sent"] != 1 || s["skipped"] != 0 || len(box.messages()) != 1 {
		t.Fatalf("%v, sent %v", s, box.messages())
	}
	if _, err := db.Exec(t.Context(), `update deliveries set due_at = now() + interval '5 minutes' where state = 'waiting'`); err != nil { // as after an hour
		t.Fatal(err)
	}
	for n, user := range strangers {
		inTx(t, db, func(tx pgx.Tx) error {
			known := contact.Contact{UserID: user, Username: fmt.Sprint("ada", n), Email: fmt.Sprintf("ada%d@example.com", n)}
			return errors.Join(contact.Register(t.Context(), tx, known), MakeDue(t.Context(), tx, user))
		})
	}
	awaitState(t, db, "sent", len(strangers)+1)
}

// TestAVerdictDoesNotUndoHaste: who looked at a delivery before something became known does not put it off after that.
func TestAVerdictDoesNotUndoHaste(t *testing.T) {
	t.Parallel()
	db := database(t)
	user := shop.UserID{UUID: shop.NewID()}
	enqueue(t, db, user, kind.Paid, "1")
	var taken []claimedJob
	inTx(t, db, func(tx pgx.Tx) (err error) {
		taken, err = claim(t.Context(), tx, kind.Email, 1, true)
		return err
	})
	inTx(t, db, func(tx pgx.Tx) error { return MakeDue(t.Context(), tx, user) })
	inTx(t, db, func(tx pgx.Tx) error {
		holds, err := finish(t.Context(), tx, taken[0].Job, decision{outcome: outcomeFailed, state: Waiting, retryIn: time.Hour},
			attemptRow{DeliveryID: taken[0].ID, Outcome: outcomeFailed})
		if !holds {
			t.Error("the verdict does not hold")
		}
		return err
	})
	inTx(t, db, func(tx pgx.Tx) error {
		again, err := claim(t.Context(), tx, kind.Email, 1, true)
		if len(again) != 1 {
			t.Errorf("it waits: %v", states(t, db))
		}
		return err
	})
}

// TestNothingWaitsForTheErased: what is planned for them while they are erased ends at once, and says nothing of them.
func TestNothingWaitsForTheErased(t *testing.T) {
	t.Parallel()
	db, box := database(t), &fakeProvider{}
	user := shop.UserID{UUID: shop.NewID()}
	inTx(t, db, func(tx pgx.Tx) error { return contact.Erase(t.Context(), tx, user) })
	inTx(t, db, func(tx pgx.Tx) error {
		wants, err := preference.Get(t.Context(), tx, user)
		d := Job{NotificationID: uuid.New(), UserID: user, Kind: kind.Locked, Address: "ada@example.com", Variables: template.Variables{Username: "ada"}}
		return errors.Join(err, Enqueue(t.Context(), tx, Request{d, wants, false}))
	})
	runWorker(t, db, box, noToken)
	awaitState(t, db, "skipped: not needed: the account was erased", 1)
	var says string
	if err := db.QueryRow(t.Context(), `select facts::text || address from deliveries`).Scan(&says); err != nil || says != "{}" || len(box.messages()) > 0 {
		t.Errorf("it says %q, %v", says, err)
	}
}
