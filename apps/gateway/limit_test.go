package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sidecart/apps/gateway/internal/limit"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

const login = "POST /api/v1/auth/login"

func TestLimitHeaders(t *testing.T) {
	addr, _ := startRedis(t)
	g := start(t, newUpstreams(t), redisAt(addr))
	for i := range 10 {
		got := g.do(t, login, "{}")
		if got.status != 200 || got.header.Get("Ratelimit-Limit") != "10" || got.header.Get("Ratelimit-Remaining") != strconv.Itoa(9-i) {
			t.Fatalf("%d: %d %v", i, got.status, got.header)
		}
		if reset, err := strconv.Atoi(got.header.Get("Ratelimit-Reset")); err != nil || reset < 1 || reset > 60 {
			t.Errorf("%d: RateLimit-Reset %q", i, got.header.Get("Ratelimit-Reset"))
		}
	}
	got := g.do(t, login, "{}")
	wait, err := strconv.Atoi(got.header.Get("Retry-After"))
	if got.status != 429 || !strings.Contains(got.body, `"rate_limited"`) || err != nil || wait < 1 || wait > 6 || got.header.Get("Ratelimit-Remaining") != "0" {
		t.Errorf("the eleventh: %d %s %v", got.status, got.body, got.header)
	}
	if got := g.do(t, "POST /api/v1/auth/register", "{}"); got.status != 200 || got.header.Get("Ratelimit-Limit") != "20" {
		t.Errorf("another route: %d %v", got.status, got.header)
	}
}

// TestNothingPublicIsWithoutALimit: requests to no service have one common limit per address, and the probes have none.
func TestNothingPublicIsWithoutALimit(t *testing.T) {
	addr, _ := startRedis(t)
	n := newUpstreams(t)
	g := start(t, n, redisAt(addr))
	paths := []string{"/openapi.json", "/docs", "/docs/", "/docs/start.js", "/docs/swagger-ui.css", "/live", "/verify-email", "/reset-password",
		"/unsubscribe", "/pages/live.js", "/pages/style.css", "/health/services", "/nothing"}
	most := 0
	for _, path := range paths {
		limit, err := strconv.Atoi(g.do(t, "GET "+path, "").header.Get("Ratelimit-Limit"))
		if err != nil || limit < 100 {
			t.Errorf("%s: a limit of %d", path, limit)
		}
		most = limit
	}
	for _, path := range paths {
		got, made := g.pastLimit(t, "GET "+path, "", most)
		if wait, err := strconv.Atoi(got.header.Get("Retry-After")); !strings.Contains(got.body, `"rate_limited"`) || err != nil || wait < 1 {
			t.Errorf("%s past the limit: %d %v", path, got.status, got.header)
		}
		if made != 0 {
			t.Errorf("a refused request of %s made %d requests to the services", path, made)
		}
	}
	for _, path := range []string{"/health", "/health/ready"} {
		if got := g.do(t, "GET "+path, ""); got.status == 429 {
			t.Errorf("a probe of %s is limited", path)
		}
	}
	if got := g.do(t, "GET /api/v1/products", ""); got.status != 200 {
		t.Errorf("a route with a limit of its own: %d", got.status)
	}
}

// pastLimit repeats a request until it is over its limit of most a minute. It returns the refusal and how many requests
// the refused one made to the services. On a slow machine some requests come back while others are sent.
func (g *gateway) pastLimit(t *testing.T, do, body string, most int, header ...string) (refused response, made int) {
	t.Helper()
	for range 2 * most {
		before := g.upstreams.count()
		if refused = g.do(t, do, body, header...); refused.status == 429 {
			return refused, g.upstreams.count() - before
		}
	}
	t.Fatalf("%s: %d requests, and none is over the limit of %d a minute", do, 2*most, most)
	return refused, 0
}

func TestLimitsArePerUser(t *testing.T) {
	addr, _ := startRedis(t)
	g := start(t, newUpstreams(t), redisAt(addr))
	alice, bob := as(t, kittest.NewCaller(shop.User)), as(t, kittest.NewCaller(shop.User))
	g.pastLimit(t, "POST /api/v1/orders", "{}", 60, alice)
	if got := g.do(t, "POST /api/v1/orders", "{}", bob); got.status != 200 || got.header.Get("Ratelimit-Remaining") != "59" {
		t.Errorf("bob at the same address: %d %v", got.status, got.header)
	}
	guess := "Authorization: Bearer guess"
	if got := g.do(t, "POST /api/v1/orders", "{}", guess); got.status != 401 {
		t.Errorf("a guess: %d", got.status)
	}
	g.pastLimit(t, "POST /api/v1/orders", "{}", 60, guess)
}

func TestLimitsAreSharedByReplicas(t *testing.T) {
	addr, _ := startRedis(t)
	n := newUpstreams(t)
	one, two := start(t, n, redisAt(addr)), start(t, n, redisAt(addr))
	for i := range 10 {
		g := []*gateway{one, two}[i%2]
		if got := g.do(t, login, "{}"); got.status != 200 {
			t.Fatalf("%d: %d", i, got.status)
		}
	}
	for _, g := range []*gateway{one, two} {
		if got := g.do(t, login, "{}"); got.status != 429 {
			t.Errorf("the eleventh: %d", got.status)
		}
	}
}

func TestLimitsWorkWithoutRedis(t *testing.T) {
	addr, kill := startRedis(t)
	g := start(t, newUpstreams(t), redisAt(addr))
	if got := g.do(t, login, "{}"); got.status != 200 {
		t.Fatalf("%d", got.status)
	}
	kill()
	begin, passed := time.Now(), 0
	for range 30 {
		got := g.do(t, login, "{}")
		switch got.status {
		case 200:
			passed++
		case 429:
		default:
			t.Fatalf("without Redis: %d %s", got.status, got.body)
		}
		if got.header.Get("Ratelimit-Limit") != "10" {
			t.Errorf("without Redis: %v", got.header)
		}
	}
	if passed != 10 {
		t.Errorf("without Redis %d of 30 passed, want the limit of 10", passed)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("30 requests without Redis took %s", took)
	}
}

func TestLimitsReturnToRedis(t *testing.T) {
	addr, kill := startRedis(t)
	n := newUpstreams(t)
	g := start(t, n, redisAt(addr))
	kill()
	g.do(t, login, "{}")
	runRedis(t, addr)
	kittest.Eventually(t, 10*time.Second, func() error {
		fresh := start(t, n, redisAt(addr)) // it has only the counts in Redis
		g.do(t, "POST /api/v1/auth/refresh", "{}")
		if got := fresh.do(t, "POST /api/v1/auth/refresh", "{}"); got.header.Get("Ratelimit-Remaining") == "59" {
			return fmt.Errorf("still counted locally")
		}
		return nil
	})
}

// TestLimitsAreExactAcrossReplicas takes at two replicas concurrently: not one request over the limit may pass.
func TestLimitsAreExactAcrossReplicas(t *testing.T) {
	addr, _ := startRedis(t)
	one, two := limit.Connect(addr, "", nil, 1), limit.Connect(addr, "", nil, 1)
	defer one.Close() //nolint:errcheck // a test's end
	defer two.Close() //nolint:errcheck // a test's end
	const most = 2    // a minute: the next is half a minute away
	var passed atomic.Int32
	var race sync.WaitGroup
	for i := range 100 {
		race.Go(func() {
			if []*limit.Limiter{one, two}[i%2].Take(context.Background(), "POST /x", "a user", most).Allowed {
				passed.Add(1)
			}
		})
	}
	race.Wait()
	if passed.Load() != most {
		t.Errorf("%d passed at a limit of %d", passed.Load(), most)
	}
}

// TestLimitsWorkWhileRedisHangs: Redis accepts connections and does not respond.
func TestLimitsWorkWhileRedisHangs(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // a test's end
	g := start(t, newUpstreams(t), redisAt(silent.Addr().String()))
	begin, passed := time.Now(), 0
	for range 30 {
		if g.do(t, login, "{}").status == 200 {
			passed++
		}
	}
	if passed != 10 {
		t.Errorf("%d of 30 passed, want the limit of 10", passed)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("30 requests took %s: each waits for Redis", took)
	}
}
