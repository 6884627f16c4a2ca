package session_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/users/internal/session"
	"sidecart/kit/kittest"
	"sidecart/kit/web"
)

const grace = 10 * time.Second

// expectedChain is what refreshes promise: tokens 1, 2, 3 ... of a session, of which the last one is unused. A used one
// returns the last one again within the grace after its use, and ends the session later.
type expectedChain struct {
	used  []time.Duration // when the tokens 1, 2 ... were used
	now   time.Duration
	ended bool
}

// refresh returns the number of the next token, or 0 for a refusal.
func (m *expectedChain) refresh(token int) (next int) {
	switch last := len(m.used) + 1; {
	case m.ended:
		return 0
	case token == last:
		m.used = append(m.used, m.now)
	case m.now-m.used[token-1] > grace:
		m.ended = true
		return 0
	}
	return len(m.used) + 1
}

// chain is a real session with its tokens by number.
type chain struct {
	db       *pgxpool.Pool
	replicas []*web.App
	tokens   []string
	calls    int
	id       string
}

func startChain(t *testing.T, db *pgxpool.Pool, replicas []*web.App) *chain {
	t.Helper()
	first := signInFrom(t, replicas[0], "alice", "phone", "203.0.113.7")
	c := &chain{db: db, replicas: replicas, tokens: []string{"", first.RefreshToken}}
	if err := db.QueryRow(t.Context(), `select id from sessions order by begun_at desc, id desc limit 1`).Scan(&c.id); err != nil {
		t.Fatal(err)
	}
	return c
}

// refresh uses a token by number at the replicas in turn, and returns the number of the next one, or 0 for a refusal.
func (c *chain) refresh(t *testing.T, token int) (next int) {
	t.Helper()
	c.calls++
	status, pair := refresh(t, c.replicas[c.calls%len(c.replicas)], c.tokens[token])
	if status == 401 {
		return 0
	}
	if status != 200 {
		t.Fatalf("status %d", status)
	}
	for n, known := range c.tokens {
		if known == pair.RefreshToken {
			return n
		}
	}
	c.tokens = append(c.tokens, pair.RefreshToken)
	return len(c.tokens) - 1
}

// pass lets time pass for the session.
func (c *chain) pass(t *testing.T, d time.Duration) {
	t.Helper()
	_, err := c.db.Exec(t.Context(), `update refresh_tokens set used_at = used_at - $2::interval where session_id = $1`, c.id, d)
	if err != nil {
		t.Fatal(err)
	}
}

func (c *chain) wantEnded(t *testing.T, ended bool) {
	t.Helper()
	var got bool
	if err := c.db.QueryRow(t.Context(), `select ended_at is not null from sessions where id = $1`, c.id).Scan(&got); err != nil || got != ended {
		t.Errorf("ended: %t, want %t, %v", got, ended, err)
	}
}

func newChainFixture(t *testing.T) (*pgxpool.Pool, []*web.App) {
	t.Helper()
	app, db, signer := newAppAndSigner(t, true)
	register(t, app, "alice")
	return db, []*web.App{app, newReplica(t, db, signer, true)}
}

// TestSequencesOfRefreshes has sequences of steps: 1>2 is a refresh with token 1 that returns token 2, 1! is one that
// is refused because the session has ended, and +11 are seconds that pass.
func TestSequencesOfRefreshes(t *testing.T) {
	db, replicas := newChainFixture(t)
	for _, steps := range []string{
		"1>2 2>3 3>4",
		"1>2 +3600 2>3 +3600 3>4",                    // without a limit between different tokens
		"1>2 1>2 2>3",                                // a double submit
		"1>2 +9 1>2 2>3",                             // a retry within the grace
		"1>2 +11 1! 2!",                              // and after it
		"1>2 2>3 1>3 3>4",                            // a late retry returns what still works
		"1>2 2>3 1>3 +3600 3>4",                      // for as long as that works
		"1>2 2>3 +11 1! 3!",                          // after the grace it is a theft
		"1>2 1>2 2>3 2>3 1>3 3>4",                    // retries of retries
		"1>2 2>3 3>4 4>5 1>5 2>5 3>5 4>5 5>6",        // of every token
		"1>2 +6 2>3 +6 2>3 3>4",                      // each token has its own grace
		"1>2 +6 2>3 +6 1! 3!",                        // which begins with its use
		"1>2 +6 1>2 +6 1! 2!",                        // and not with a retry
		"1>2 1>2 2>3 +11 2! 3!",                      // reuse of any token ends the session
		"1>2 2>3 1>3 +11 3>4 +11 4>5 1! 5!",          // also much later
		"1>2 1>2 1>2 1>2 2>3 +11 3>4 3>4 +11 4>5 3!", // a long session
	} {
		t.Run(steps, func(t *testing.T) {
			actual, model := startChain(t, db, replicas), &expectedChain{}
			for step := range strings.FieldsSeq(steps) {
				if seconds, ok := strings.CutPrefix(step, "+"); ok {
					n, _ := strconv.Atoi(seconds)
					actual.pass(t, time.Duration(n)*time.Second)
					model.now += time.Duration(n) * time.Second
					continue
				}
				var token, want int
				_, _ = fmt.Sscanf(strings.Replace(step, "!", ">0", 1), "%d>%d", &token, &want)
				if got := actual.refresh(t, token); got != want {
					t.Fatalf("%s: got %d", step, got)
				}
				if got := model.refresh(token); got != want {
					t.Fatalf("%s: the model says %d", step, got)
				}
			}
			actual.wantEnded(t, model.ended)
		})
	}
}

// TestRandomRefreshesFollowTheModel at two replicas in turn. A failure prints its sequence.
func TestRandomRefreshesFollowTheModel(t *testing.T) {
	db, replicas := newChainFixture(t)
	random := rand.New(rand.NewPCG(25, 1))
	for range 25 {
		actual, model, steps := startChain(t, db, replicas), &expectedChain{}, ""
		for range 14 {
			if random.IntN(3) == 0 {
				d := []time.Duration{3 * time.Second, 6 * time.Second, 11 * time.Second}[random.IntN(3)]
				actual.pass(t, d)
				model.now += d
				steps += fmt.Sprintf(" +%d", int(d.Seconds()))
			}
			last := len(actual.tokens) - 1
			token := max(1, last-random.IntN(min(3, last))) // mostly new ones
			want := model.refresh(token)
			steps += fmt.Sprintf(" %d>%d", token, want)
			if got := actual.refresh(t, token); got != want {
				t.Fatalf("%s: got %d", steps, got)
			}
		}
		actual.wantEnded(t, model.ended)
	}
}

// TestRacingRefreshesLeaveOneWorkingPair: clients of two replicas use old and new tokens concurrently within the grace.
func TestRacingRefreshesLeaveOneWorkingPair(t *testing.T) {
	db, replicas := newChainFixture(t)
	first := signInFrom(t, replicas[0], "alice", "phone", "203.0.113.7")
	var clients sync.WaitGroup
	for n := range 6 {
		clients.Go(func() {
			mine := []session.TokenPair{first}
			for call := range 6 {
				status, pair := refresh(t, replicas[(n+call)%2], mine[(n*call)%len(mine)].RefreshToken)
				if status != 200 {
					t.Errorf("client %d, call %d: %d", n, call, status)
					return
				}
				mine = append(mine, pair)
			}
		})
	}
	clients.Wait()
	var unused int
	err := db.QueryRow(t.Context(), `
		select count(*) from refresh_tokens t join sessions s on s.id = t.session_id where t.used_at is null and s.ended_at is null`).Scan(&unused)
	if err != nil || unused != 1 {
		t.Errorf("%d unused tokens, %v", unused, err)
	}
	status, last := refresh(t, replicas[0], first.RefreshToken)
	if status != 200 {
		t.Fatalf("a late retry: %d", status)
	}
	if _, err := db.Exec(t.Context(), `update refresh_tokens set used_at = used_at - interval '1 hour'`); err != nil {
		t.Fatal(err)
	}
	if status, _ := refresh(t, replicas[1], last.RefreshToken); status != 200 {
		t.Errorf("what a late retry returned, later: %d", status)
	}
	if actions := audited(t, db); len(actions) > 0 {
		t.Errorf("audited %v", actions)
	}
}

// TestARetryWithoutAKnownSuccessorEndsNothing: the secret was replaced between a refresh and its retry.
func TestARetryWithoutAKnownSuccessorEndsNothing(t *testing.T) {
	db, replicas := newChainFixture(t)
	actual := startChain(t, db, replicas)
	actual.refresh(t, 1)
	if _, err := db.Exec(t.Context(), `update refresh_tokens set fingerprint = sha256(fingerprint) where used_at is null`); err != nil {
		t.Fatal(err)
	}
	if status, _ := refresh(t, replicas[0], actual.tokens[1]); status != 401 {
		t.Errorf("status %d", status)
	}
	actual.wantEnded(t, false)
	if actions := audited(t, db); len(actions) > 0 {
		t.Errorf("audited %v", actions)
	}
	kittest.Emitted(t, db)
}
