package security_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sidecart/tests/client"
)

var traceID = regexp.MustCompile(`"trace_id":"[0-9a-f]*"`)

// fingerprint is all of a response that could reveal whether an account exists.
func fingerprint(res client.Response) string {
	retry, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	return fmt.Sprintf("%d %s %s %s retry:%v", res.Status, traceID.ReplaceAllString(string(res.Body), ""),
		res.Header.Get("Cache-Control"), res.Header.Get("Content-Type"), retry > 0)
}

// TestResponsesDoNotRevealAccounts compares responses about existing and unknown accounts, also after a lockout.
func TestResponsesDoNotRevealAccounts(t *testing.T) {
	t.Parallel()
	var name string
	for _, domain := range []string{"", "@example.com"} { // by username and by e-mail address, each of a new account
		_, name = newUser(t)
		pair := [2]string{name + domain, "unknown-" + name + domain}
		for n := range 7 { // the account is locked after five failures
			known, unknown := login(t, anonymous(), pair[0], "wrong"), login(t, anonymous(), pair[1], "wrong")
			if fingerprint(known) != fingerprint(unknown) {
				t.Errorf("attempt %d at %s: %s\nunknown: %s", n, pair[0], fingerprint(known), fingerprint(unknown))
			}
		}
	}
	for _, route := range []string{"POST /api/v1/auth/password/forgot", "POST /api/v1/auth/verify-email/resend"} {
		known := do(t, anonymous(), route, map[string]string{"email": name + "@example.com"})
		unknown := do(t, anonymous(), route, map[string]string{"email": "unknown-" + name + "@example.com"})
		if fingerprint(known) != fingerprint(unknown) || known.Status != 202 {
			t.Errorf("%s: %s, unknown %s", route, fingerprint(known), fingerprint(unknown))
		}
	}
}

// probabilityLonger is the probability that a call of one kind takes longer than one of the other; 0.5 means that the
// kinds cannot be distinguished.
func probabilityLonger(one, other []time.Duration) float64 {
	wins := 0.0
	for _, a := range one {
		for _, b := range other {
			switch {
			case a > b:
				wins++
			case a == b:
				wins += 0.5
			}
		}
	}
	return wins / float64(len(one)*len(other))
}

// TestTimingDoesNotRevealAccounts compares the durations of many calls about existing and unknown accounts, in random
// order. With this number of calls, the probability differs from 0.5 by about 0.08 by chance; without a check of the
// password it would be 1.
func TestTimingDoesNotRevealAccounts(t *testing.T) {
	const accounts, calls = 7, 4 // five failures lock an account
	names := make([]string, accounts)
	for i := range names {
		_, names[i] = newUser(t)
	}
	times := func(call func(c client.Client, name string)) (known, unknown []time.Duration) {
		var turns []string
		for range calls {
			for _, name := range names {
				turns = append(turns, name, "unknown-"+name)
			}
		}
		rand.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
		for _, name := range turns {
			c := anonymous()
			do(t, c, "GET /health", nil) // opens the connection
			start := time.Now()
			call(c, name)
			took := time.Since(start)
			if strings.HasPrefix(name, "unknown-") {
				unknown = append(unknown, took)
			} else {
				known = append(known, took)
			}
		}
		return known, unknown
	}
	for what, call := range map[string]func(client.Client, string){
		"login": func(c client.Client, name string) {
			if res := login(t, c, name, "wrong"); res.Status != 401 {
				t.Fatalf("login: %d %s", res.Status, res.Body)
			}
		},
		"forgot": func(c client.Client, name string) {
			email := map[string]string{"email": name + "@example.com"}
			must(t, c.Call(t.Context(), "POST /api/v1/auth/password/forgot", email, 202, nil))
		},
	} {
		known, unknown := times(call)
		slices.Sort(known)
		slices.Sort(unknown)
		t.Logf("%s: medians %s of known, %s of unknown accounts", what, known[len(known)/2], unknown[len(unknown)/2])
		if p := probabilityLonger(known, unknown); p < 0.2 || p > 0.8 {
			t.Errorf("%s: a call about a known account takes longer with a probability of %.2f", what, p)
		}
	}
}
