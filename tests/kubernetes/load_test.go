package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// load sends requests as customers do, until it is stopped. A request that fails is sent once more, as a browser does
// with a GET, and an app with an idempotency key.
type load struct {
	shop    client.Client
	product int64
	stop    context.CancelFunc
	workers sync.WaitGroup

	mu              sync.Mutex
	token           string // of the last sign-in: one is valid for 15 minutes, and the scenarios take longer
	requests, again int
	failed          []string
	orders          []string // placed
}

// One user buys and reads: below the limits of one (`x-rate-limit`), which are ten times as high in a local platform.
const (
	readers, readEvery = 4, 200 * time.Millisecond
	buyers, buyEvery   = 2, 500 * time.Millisecond
)

// startLoad starts the load: readers of products, of a stock that is not cached and of orders, and buyers.
func startLoad(t *testing.T, shop client.Client, product int64, order string) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{shop: shop, product: product, stop: cancel, token: shop.Token}
	gets := []string{
		fmt.Sprintf("/api/v1/products/%d", product), fmt.Sprintf("/api/v1/products/%d/inventory", product),
		"/api/v1/orders/" + order, "/api/v1/users/me",
	}
	for n := range readers {
		// Half of the readers open a connection for each request, as new visitors do.
		visitor := newVisitor(n%2 == 0)
		l.workers.Go(func() {
			l.repeat(ctx, readEvery, func() { l.send(ctx, visitor, http.MethodGet, gets[n%len(gets)], "", http.StatusOK) })
		})
	}
	body := strings.Replace(orderBody, `"product_id":1`, fmt.Sprintf(`"product_id":%d`, product), 1)
	for range buyers {
		visitor := newVisitor(false)
		l.workers.Go(func() {
			l.repeat(ctx, buyEvery, func() {
				response := l.send(ctx, visitor, http.MethodPost, "/api/v1/orders", body, http.StatusCreated)
				var placed struct{ ID string }
				if json.Unmarshal(response, &placed) == nil && placed.ID != "" {
					l.mu.Lock()
					l.orders = append(l.orders, placed.ID)
					l.mu.Unlock()
				}
			})
		})
	}
	return l
}

func newVisitor(fresh bool) *http.Client {
	return &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: fresh}}
}

func (l *load) repeat(ctx context.Context, every time.Duration, once func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			once()
		}
	}
}

// send sends a request, and once more if it fails.
func (l *load) send(ctx context.Context, visitor *http.Client, method, path, body string, want int) (response []byte) {
	key := uuid.NewString()
	response, err := l.attempt(ctx, visitor, method, path, body, key, want)
	if ctx.Err() != nil {
		return nil
	}
	first := err
	if err != nil {
		response, err = l.attempt(ctx, visitor, method, path, body, key, want)
		if ctx.Err() != nil {
			return nil
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	if first != nil {
		l.again++
	}
	if err != nil {
		at := time.Now().Format(time.TimeOnly)
		l.failed = append(l.failed, fmt.Sprintf("%s %s %s: %v; before: %v", at, method, path, err, first))
		return nil
	}
	return response
}

func (l *load) attempt(ctx context.Context, visitor *http.Client, method, path, body, key string, want int) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, l.shop.Base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+l.buyer().Token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := visitor.Do(req)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return nil, err
	}
	if res.StatusCode != want {
		return nil, fmt.Errorf("status %d: %.200s", res.StatusCode, text)
	}
	return text, nil
}

// signIn gives the load a new token.
func (l *load) signIn(t *testing.T) {
	t.Helper()
	buyer, err := l.shop.SignIn(t.Context(), "testuser", "SecurePassword123!")
	must(t, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token = buyer.Token
}

// buyer is the client of the load, with its last token.
func (l *load) buyer() client.Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	return client.Client{Base: l.shop.Base, Token: l.token}
}

// counts are the requests so far, those that were sent twice, and those that failed twice.
func (l *load) counts() (requests, again, failed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests, l.again, len(l.failed)
}

// more waits for that many requests.
func (l *load) more(t *testing.T, requests int) {
	t.Helper()
	before, _, _ := l.counts()
	platform.Eventually(t, time.Minute, func() error {
		if now, _, _ := l.counts(); now < before+requests {
			return fmt.Errorf("%d requests, not %d", now-before, requests)
		}
		return nil
	})
}

// failure is one of those that failed twice.
func (l *load) failure(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed[n]
}

// end stops the load.
func (l *load) end() {
	l.stop()
	l.workers.Wait()
}

// during runs a scenario under load: no request may fail, but one that succeeds when it is sent once more.
func (l *load) during(t *testing.T, scenario func()) {
	t.Helper()
	began, requests, again, failed := time.Now(), 0, 0, 0
	requests, again, failed = l.counts()
	scenario()
	r, a, f := l.counts()
	t.Logf("%d requests in %s, %d sent twice, %d failed", r-requests, time.Since(began).Round(time.Second), a-again, f-failed)
	if r == requests {
		t.Error("no request was sent")
	}
	if f > failed {
		l.mu.Lock()
		defer l.mu.Unlock()
		var some []string // spread over the time of the scenario
		for n := failed; n < f; n += (f-failed)/10 + 1 {
			some = append(some, l.failed[n])
		}
		t.Errorf("%d requests failed, such as:\n%s", f-failed, strings.Join(some, "\n"))
	}
}
