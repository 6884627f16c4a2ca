package invariants_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"testing"
	"time"
)

// seedData: the data of `make seed` keeps the invariants, covers half a year, and a second run adds nothing.
func seedData(t *testing.T) {
	seed := func() {
		cmd := exec.CommandContext(t.Context(), "go", "run", "./tests/seed",
			"-url", running.URL(), "-dir", running.Dir, "-pictures=false", "-orders", "80")
		cmd.Dir = running.Root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("seed: %v\n%s", err, out)
		}
	}
	seed()
	holds(t, time.Minute)
	sold := salesByMonth(t)
	if len(sold) < 6 {
		t.Errorf("orders were sold in %d months: %v", len(sold), sold)
	}
	statuses := map[string]int{}
	before := time.Now().AddDate(0, 0, -1)
	must(t, admin.Call(t.Context(), fmt.Sprintf("GET /api/v1/orders/analytics?from=%s&to=%s", before.AddDate(0, 0, -200).Format(time.DateOnly),
		before.Format(time.DateOnly)), nil, 200, &struct{ Statuses *map[string]int }{&statuses}))
	for _, status := range []string{"delivered", "cancelled", "refunded", "partially_refunded"} {
		if statuses[status] == 0 {
			t.Errorf("no order of the past is %s: %v", status, statuses)
		}
	}
	seed()
	if again := salesByMonth(t); fmt.Sprint(again) != fmt.Sprint(sold) {
		t.Errorf("after a second run the sales are %v, before %v", again, sold)
	}
	holds(t, time.Minute)
}

// salesByMonth are the orders and revenue by month, without today's.
func salesByMonth(t *testing.T) map[string]string {
	t.Helper()
	now := time.Now().UTC()
	var report struct {
		Days []struct {
			Day     string
			Orders  int
			Revenue json.Number
		}
	}
	must(t, admin.Call(t.Context(), fmt.Sprintf("GET /api/v1/orders/analytics?from=%s&to=%s", now.AddDate(0, 0, -300).Format(time.DateOnly),
		now.AddDate(0, 0, -1).Format(time.DateOnly)), nil, 200, &report))
	months := map[string]string{}
	for _, d := range report.Days {
		if d.Orders > 0 {
			months[d.Day[:7]] += fmt.Sprint(d.Orders, " for ", d.Revenue, ", ")
		}
	}
	return months
}
