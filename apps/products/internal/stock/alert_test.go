package stock

import "testing"

func TestCrossing(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after availability
		now           AlertKind
		crossed       bool
	}{
		{"plenty stays plenty", availability{10, 3}, availability{4, 3}, enough, false},
		{"to the threshold", availability{4, 3}, availability{3, 3}, Low, true},
		{"below it again", availability{3, 3}, availability{1, 3}, Low, false},
		{"to nothing", availability{1, 3}, availability{0, 3}, Out, true},
		{"straight to nothing", availability{9, 3}, availability{0, 3}, Out, true},
		{"nothing stays nothing", availability{0, 3}, availability{0, 3}, Out, false},
		{"back, though low", availability{0, 3}, availability{1, 3}, Back, true},
		{"back in plenty", availability{0, 3}, availability{9, 3}, Back, true},
		{"no longer low", availability{3, 3}, availability{4, 3}, enough, true},
		{"no threshold, never low", availability{2, 0}, availability{1, 0}, enough, false},
		{"a higher threshold", availability{4, 3}, availability{4, 5}, Low, true},
		{"a lower threshold", availability{4, 5}, availability{4, 3}, enough, true},
	} {
		if now, crossed := crossing(c.before, c.after); now != c.now || crossed != c.crossed {
			t.Errorf("%s: %q, %v", c.name, now, crossed)
		}
	}
}
