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
		free, err := turn(t.Context(), p.signIns)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := p.Check(t.Context(), hash, "first"); !errors.Is(err, ErrBusy) || time.Since(began) != longestWait {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if _, err := p.Hash(t.Context(), "second"); !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
		if _, err := p.Renew("first"); !errors.Is(err, ErrBusy) || time.Since(began) != 2*longestWait {
			t.Errorf("%v: it waited for what could be done another time", err)
		}
		time.AfterFunc(longestWait-time.Second, free)
		if err := p.Check(t.Context(), hash, "first"); err != nil {
			t.Errorf("it was its turn: %v", err)
		}
		if _, err := p.Renew("first"); err != nil {
			t.Error(err)
		}
	})
}
