package fault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"sidecart/kit/fault"
)

var errShort = fault.New(fault.Conflict, "out_of_stock", "not enough left")

func TestFaultSurvivesTheWire(t *testing.T) {
	sent := errShort.With("items[0].quantity", "only 3 left")
	body, err := json.Marshal(sent.Problem("4bf92f3577b34da6a3ce929d0e0e4736"))
	if err != nil {
		t.Fatal(err)
	}
	var p fault.Problem
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	got := p.Fault("7")
	if !errors.Is(got, errShort) || got.Kind != fault.Conflict || got.Fields["items[0].quantity"] != "only 3 left" || got.RetryAfter != 7 {
		t.Errorf("got %+v from %s", got, body)
	}
}

func TestOf(t *testing.T) {
	if fault.Of(nil) != nil {
		t.Error("nil has no fault")
	}
	if got := fault.Of(fmt.Errorf("placing: %w", errShort)); got.Code != "out_of_stock" {
		t.Errorf("a wrapped fault is %q", got.Code)
	}
	secret := errors.New("password=hunter2")
	got := fault.Of(secret)
	if got.Kind != fault.Internal || !errors.Is(got, secret) {
		t.Errorf("an unknown error is %v", got)
	}
	if p := got.Problem(""); p.Detail != fault.ErrInternal.Message {
		t.Errorf("a client sees %q", p.Detail)
	}
}

func TestWithDoesNotChangeTheDeclaration(t *testing.T) {
	_ = errShort.With("a", "b").With("c", "d").WithRetryAfter(0)
	if errShort.Fields != nil || errShort.RetryAfter != 0 {
		t.Errorf("the declared fault changed: %+v", errShort)
	}
}

func TestEveryKindHasItsStatus(t *testing.T) {
	for _, kind := range []fault.Kind{
		fault.Malformed, fault.Invalid, fault.Unauthenticated, fault.Forbidden, fault.NotFound, fault.NotAllowed,
		fault.Conflict, fault.PreconditionFailed, fault.TooLarge, fault.Unsupported, fault.Misdirected, fault.Locked,
		fault.Limited, fault.Unavailable, fault.TimedOut, fault.Internal,
	} {
		if kind.Status() < 400 || fault.OfStatus(kind.Status()) != kind {
			t.Errorf("%s: status %d is %s", kind, kind.Status(), fault.OfStatus(kind.Status()))
		}
		if wrong := kind.Status() < 423; wrong && kind.Retryable() {
			t.Errorf("%s must not be retried", kind)
		}
	}
}
