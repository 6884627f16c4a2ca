package account

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestPasswordsWaitForASlot, for maxWait at most.
func TestPasswordsWaitForASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPasswords(4, 1)
		hash, err := p.Hash(t.Context(), "first")
		if err != nil {
			t.Fatal(err)
		}
		if err := acquire(t.Context(), p.signIns); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := p.Check(t.Context(), hash, "first"); !errors.Is(err, ErrBusy) || time.Since(began) != maxWait {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if _, err := p.Hash(t.Context(), "second"); !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
		if _, err := p.Rehash("first"); !errors.Is(err, ErrBusy) || time.Since(began) != 2*maxWait {
			t.Errorf("%v: Rehash waited", err)
		}
		time.AfterFunc(maxWait-time.Second, func() { p.signIns.Release(1) })
		if err := p.Check(t.Context(), hash, "first"); err != nil {
			t.Errorf("a slot is free: %v", err)
		}
		if _, err := p.Rehash("first"); err != nil {
			t.Error(err)
		}
	})
}
