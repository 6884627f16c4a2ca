package idempotency_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"sidecart/kit/idempotency"
)

func TestBegin(t *testing.T) {
	db := database(t)
	before := func(in newThing) uuid.UUID {
		t.Helper()
		id, earlier, err := idempotency.Begin[thing](t.Context(), db, in.Key)
		if err != nil || earlier != nil {
			t.Fatalf("%+v, %v", earlier, err)
		}
		return id
	}
	first := before(request("k", "lamp"))
	if first.Version() != 7 || before(request("k", "lamp")) != first {
		t.Error("a repetition has another id")
	}
	other := before(request("k", "vase"))
	if other == first {
		t.Error("another request has the same id")
	}
	if none := before(newThing{}); none == before(newThing{}) {
		t.Error("two calls without a key have one id")
	}
	exec(t, db, `update idempotency_keys set claimed_at = claimed_at - interval '61 seconds'`)
	if before(request("k", "vase")) == other {
		t.Error("an old claim is used: reservations under its id may have expired")
	}
	made, err := makeThing(db, request("k", "lamp")) // the first one that finishes wins
	if err != nil {
		t.Fatal(err)
	}
	if _, earlier, err := idempotency.Begin[thing](t.Context(), db, request("k", "lamp").Key); err != nil || earlier == nil || *earlier != made {
		t.Errorf("the stored response: %+v, %v", earlier, err)
	}
	if _, _, err := idempotency.Begin[thing](t.Context(), db, request("k", "vase").Key); !errors.Is(err, idempotency.ErrReused) {
		t.Errorf("another request after the response: %v", err)
	}
}

func TestAbandon(t *testing.T) {
	db := database(t)
	before := func(in newThing) uuid.UUID {
		t.Helper()
		id, _, err := idempotency.Begin[thing](t.Context(), db, in.Key)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	abandon := func(in newThing, id uuid.UUID) {
		t.Helper()
		if err := idempotency.Abandon(t.Context(), db, in.Key, id); err != nil {
			t.Fatal(err)
		}
	}
	in := request("k", "lamp")
	first := before(in)
	abandon(in, first)
	second := before(in)
	if second == first {
		t.Error("an abandoned id is given again")
	}
	abandon(in, first)
	if before(in) != second {
		t.Error("another id was abandoned")
	}
	made, err := makeThing(db, in)
	if err != nil {
		t.Fatal(err)
	}
	abandon(in, second)
	if again, err := makeThing(db, in); err != nil || again != made {
		t.Errorf("a stored response was lost: %+v, %v", again, err)
	}
	abandon(newThing{}, uuid.New())
}
