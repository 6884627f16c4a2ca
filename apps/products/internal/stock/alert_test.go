package stock

import "testing"

func TestCrossing(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after availability
		now           AlertKind
		crossed       bool
	}{
		{"enough stays enough", availability{10, 3}, availability{4, 3}, enough, false},
		{"down to the threshold", availability{4, 3}, availability{3, 3}, Low, true},
		{"still low", availability{3, 3}, availability{1, 3}, Low, false},
		{"low to out", availability{1, 3}, availability{0, 3}, Out, true},
		{"enough to out", availability{9, 3}, availability{0, 3}, Out, true},
		{"out stays out", availability{0, 3}, availability{0, 3}, Out, false},
		{"back and low", availability{0, 3}, availability{1, 3}, Back, true},
		{"back above the threshold", availability{0, 3}, availability{9, 3}, Back, true},
		{"no longer low", availability{3, 3}, availability{4, 3}, enough, true},
		{"never low without a threshold", availability{2, 0}, availability{1, 0}, enough, false},
		{"threshold raised", availability{4, 3}, availability{4, 5}, Low, true},
		{"threshold lowered", availability{4, 5}, availability{4, 3}, enough, true},
	} {
		if now, crossed := crossing(c.before, c.after); now != c.now || crossed != c.crossed {
			t.Errorf("%s: %q, %v", c.name, now, crossed)
		}
	}
}
