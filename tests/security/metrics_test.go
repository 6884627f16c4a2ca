package security_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sidecart/tests/client"
)

var responseMetric = regexp.MustCompile(`(?m)^http_server_request_duration_seconds_count\{[^}]*http_response_status_code="(\d+)"[^}]*\} (\d+)`)

// countedResponses returns the gateway's count of responses by status.
func countedResponses(t *testing.T) map[string]int {
	t.Helper()
	metrics := client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", running.Port("gateway", "metrics"))}
	all := map[string]int{}
	for _, line := range responseMetric.FindAllStringSubmatch(string(do(t, metrics, "GET /metrics", nil).Body), -1) {
		n, err := strconv.Atoi(line[2])
		must(t, err)
		all[line[1]] += n
	}
	return all
}

// TestRefusalsAreCounted makes one attack of each kind, and finds it in the gateway's metrics and in the request
// analytics.
func TestRefusalsAreCounted(t *testing.T) {
	alice, _ := newUser(t)
	attacks := map[string]func(){
		"401": func() { do(t, anonymous(), "GET /api/v1/orders", nil, "Authorization", "Bearer forged") },
		"403": func() { do(t, alice, "GET /api/v1/users", nil) },
		"404": func() { do(t, alice, "GET /api/v1/../metrics", nil) },
		"405": func() { do(t, alice, "DELETE /api/v1/orders", nil) },
		"413": func() { do(t, alice, "POST /api/v1/orders", client.Raw(strings.Repeat("x", 2<<20))) },
		"421": func() { sendRaw(t, "GET / HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n") },
		"422": func() { do(t, alice, "POST /api/v1/orders", client.Raw(`{"role":"admin"}`)) },
	}
	before := countedResponses(t)
	for _, attack := range attacks {
		attack()
	}
	after := countedResponses(t)
	for status := range attacks {
		if after[status] <= before[status] {
			t.Errorf("%s: %d before, %d after", status, before[status], after[status])
		}
	}
	var report struct {
		Items []struct {
			Route   string
			Refused int
		}
	}
	must(t, admin(t).Call(t.Context(), "GET /api/v1/analytics/requests", nil, 200, &report))
	seen := map[string]int{}
	for _, item := range report.Items {
		seen[item.Route] = item.Refused
	}
	for _, route := range []string{"GET /api/v1/users", "GET /api/v1/orders", "POST /api/v1/orders", "none"} {
		if seen[route] == 0 {
			t.Errorf("%s: nothing refused in %v", route, seen)
		}
	}
}
