package delivery

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestMailWaitsForTheRegistration: events of different topics have no order, so an order may be consumed before its
// user.
func TestMailWaitsForTheRegistration(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	unknown := make([]shop.UserID, 2*failuresToOpen) // would open the breaker if they were counted
	for n := range unknown {
		unknown[n] = shop.UserID{UUID: shop.NewID()}
		inTx(t, db, func(tx pgx.Tx) error { // without a name, as it is consumed before the user
			return enqueueJob(t.Context(), tx, Job{UserID: unknown[n], Kind: kind.Paid, Variables: template.Variables{Number: "1"}})
		})
	}
	inTx(t, db, func(tx pgx.Tx) error {
		return contact.UpdateRole(t.Context(), tx, shop.NewID(), unknown[0], shop.Admin)
	}) // has no address either
	runWorker(t, db, provider, noToken)
	enqueue(t, db, newUser(t, db, "bob"), kind.Paid, "2")
	provider.await(t, 1)
	kittest.Eventually(t, 20*time.Second, func() error {
		var attempted int
		err := db.QueryRow(t.Context(), `
			select count(distinct delivery_id) from attempts where outcome = 'failed' and response like 'not ready: the user''s registration%'`).Scan(&attempted)
		if err != nil || attempted < len(unknown) {
			return fmt.Errorf("%d were attempted, %w", attempted, err)
		}
		return nil
	})
	if s := states(t, db); s["sent"] != 1 || s["skipped"] != 0 || len(provider.messages()) != 1 {
		t.Fatalf("%v, sent %v", s, provider.messages())
	}
	_, err := db.Exec(t.Context(), `
		update deliveries set due_at = now() + interval '5 minutes' where state = 'waiting'`) // as after an hour of attempts
	if err != nil {
		t.Fatal(err)
	}
	for n, user := range unknown {
		inTx(t, db, func(tx pgx.Tx) error {
			c := contact.Contact{UserID: user, Username: fmt.Sprint("ada", n), Email: fmt.Sprintf("ada%d@example.com", n)}
			return errors.Join(contact.Verify(t.Context(), tx, shop.NewID(), user, c.Email), contact.Register(t.Context(), tx, c),
				MakeDue(t.Context(), tx, user))
		})
	}
	awaitState(t, db, "sent", len(unknown)+1)
	for _, m := range provider.messages()[1:] {
		if name, _, _ := strings.Cut(m.To, "@"); !strings.Contains(m.Body, "Hello "+name+",") {
			t.Errorf("the mail to %s has no name: %s", m.To, m.Body)
		}
	}
}

// TestDecisionKeepsMakeDue: MakeDue during an attempt is not overwritten by the time of its retry.
func TestDecisionKeepsMakeDue(t *testing.T) {
	t.Parallel()
	db := database(t)
	user := shop.UserID{UUID: shop.NewID()}
	enqueue(t, db, user, kind.Paid, "1")
	var claimed []claimedJob
	inTx(t, db, func(tx pgx.Tx) (err error) {
		claimed, err = claim(t.Context(), tx, kind.Email, 1, true)
		return err
	})
	inTx(t, db, func(tx pgx.Tx) error { return MakeDue(t.Context(), tx, user) })
	inTx(t, db, func(tx pgx.Tx) error {
		holds, err := finish(t.Context(), tx, claimed[0].Job, decision{result: outcomeFailed, state: StateWaiting, retryIn: time.Hour},
			attemptRow{DeliveryID: claimed[0].ID, Outcome: outcomeFailed})
		if !holds {
			t.Error("the decision does not hold")
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

// TestJobOfAnErasedUserIsSkipped covers a job that is enqueued during the erasure: its personal data are removed.
func TestJobOfAnErasedUserIsSkipped(t *testing.T) {
	t.Parallel()
	db, provider := database(t), &fakeProvider{}
	user := shop.UserID{UUID: shop.NewID()}
	inTx(t, db, func(tx pgx.Tx) error { return contact.Erase(t.Context(), tx, user) })
	inTx(t, db, func(tx pgx.Tx) error {
		return enqueueJob(t.Context(), tx, Job{UserID: user, Kind: kind.Locked, Address: "ada@example.com",
			Variables: template.Variables{Username: "ada"}})
	})
	runWorker(t, db, provider, noToken)
	awaitState(t, db, "skipped: obsolete: the account was erased", 1)
	var data string
	err := db.QueryRow(t.Context(), `select variables::text || address from deliveries`).Scan(&data)
	if err != nil || data != "{}" || len(provider.messages()) > 0 {
		t.Errorf("stored %q, %v", data, err)
	}
}
