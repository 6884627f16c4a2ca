package account

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestPasswordsWaitForTheirTurn, and not for ever: who would wait longer than a caller does is told to come again.
func TestPasswordsWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPasswords(4, 1)
		hash, err := p.Hash(t.Context(), "first")
		if err != nil {
			t.Fatal(err)
		}
		free, err := acquire(t.Context(), p.signIns)
		if err != nil {
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
			t.Errorf("%v: it waited for what could be done another time", err)
		}
		time.AfterFunc(maxWait-time.Second, free)
		if err := p.Check(t.Context(), hash, "first"); err != nil {
			t.Errorf("it was its turn: %v", err)
		}
		if _, err := p.Rehash("first"); err != nil {
			t.Error(err)
		}
	})
}
