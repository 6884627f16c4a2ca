package stock

import "testing"

func TestCrossing(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after shelf
		now           Kind
		crossed       bool
	}{
		{"plenty stays plenty", shelf{10, 3}, shelf{4, 3}, well, false},
		{"to the threshold", shelf{4, 3}, shelf{3, 3}, Low, true},
		{"below it again", shelf{3, 3}, shelf{1, 3}, Low, false},
		{"to nothing", shelf{1, 3}, shelf{0, 3}, Out, true},
		{"straight to nothing", shelf{9, 3}, shelf{0, 3}, Out, true},
		{"nothing stays nothing", shelf{0, 3}, shelf{0, 3}, Out, false},
		{"back, though low", shelf{0, 3}, shelf{1, 3}, Back, true},
		{"back in plenty", shelf{0, 3}, shelf{9, 3}, Back, true},
		{"no longer low", shelf{3, 3}, shelf{4, 3}, well, true},
		{"no threshold, never low", shelf{2, 0}, shelf{1, 0}, well, false},
		{"a higher threshold", shelf{4, 3}, shelf{4, 5}, Low, true},
		{"a lower threshold", shelf{4, 5}, shelf{4, 3}, well, true},
	} {
		if now, crossed := crossing(c.before, c.after); now != c.now || crossed != c.crossed {
			t.Errorf("%s: %q, %v", c.name, now, crossed)
		}
	}
}
