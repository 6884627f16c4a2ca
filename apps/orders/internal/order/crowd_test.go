package order

import (
	"testing"
	"time"
)

func TestCrowd(t *testing.T) {
	t.Parallel()
	const within = 50 * time.Millisecond
	for name, c := range map[string]struct {
		within  time.Duration
		buyers  int
		took    time.Duration
		later   time.Duration
		want    time.Duration
		refused bool
	}{
		"nobody":                     {within, 0, 0, 0, 0, false},
		"a crowd that waits":         {within, several, within + 1, 0, longest, false},
		"and is still there":         {within, several, within + 1, lasts - 1, longest, false},
		"and is gone":                {within, several, within + 1, lasts, 0, false},
		"a crowd that does not wait": {within, several, within, 0, 0, false},
		"few, and something is slow": {within, several - 1, time.Minute, 0, 0, false},
		"a crowd that gets nothing":  {within, several, time.Minute, 0, 0, true},
		"the clock was set back":     {within, several, time.Minute, -time.Second, 0, false},
		"never hold back":            {0, 100, time.Minute, 0, 0, false},
	} {
		now := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
		crowd := crowd{within: c.within}
		crowd.inside.Add(int64(c.buyers))
		for range c.buyers {
			crowd.leave(now, now.Add(c.took), !c.refused)
		}
		now = now.Add(c.took)
		if got := crowd.hold(now.Add(c.later)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
