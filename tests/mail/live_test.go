package mail_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// watcher is a page that is open: it reads the stream and comes back with the last id it saw whenever the connection ends.
type watcher struct {
	mu   sync.Mutex
	last string
	seen map[string]time.Time // by order and kind
	all  []string
	up   int // how often a stream was opened
}

func watch(ctx context.Context, who client.Client) *watcher {
	w := &watcher{seen: map[string]time.Time{}}
	go func() {
		for ctx.Err() == nil {
			if err := w.read(ctx, who); err != nil {
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		}
	}()
	return w
}

func (w *watcher) read(ctx context.Context, who client.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, who.Base+"/api/v1/notifications/stream", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+who.Token)
	w.mu.Lock()
	if w.last != "" {
		req.Header.Set("Last-Event-ID", w.last)
	}
	w.mu.Unlock()
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	lines := bufio.NewScanner(res.Body)
	kind := ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		w.mu.Lock()
		switch name {
		case "id":
			w.last = value
		case "retry":
			w.up++
		case "event":
			kind = value
		case "data":
			if _, rest, ok := strings.Cut(value, `"order_id":"`); ok {
				key := rest[:36] + " " + kind
				w.seen[key] = time.Now()
				w.all = append(w.all, key)
			}
		}
		w.mu.Unlock()
	}
	return errors.Join(lines.Err(), errors.New("the stream ended"))
}

func (w *watcher) count() (streams int, all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.up, slices.Clone(w.all)
}

// live: what happens to orders is seen as it happens; when the gateway dies and comes back, nothing is missing and nothing
// is there twice.
func live(t *testing.T) {
	buyer := newBuyer(t, "lively", "Lively")
	w := watch(t.Context(), buyer)
	platform.Eventually(t, 20*time.Second, func() error {
		if up, _ := w.count(); up != 1 {
			return fmt.Errorf("%d streams", up)
		}
		return nil
	})
	var want []string
	var waits []time.Duration
	for range 8 {
		order := buy(t, buyer)
		placed := time.Now()
		key := order.ID + " orders.placed"
		want = append(want, key, order.ID+" orders.paid")
		platform.Eventually(t, 20*time.Second, func() error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if at, ok := w.seen[key]; ok {
				waits = append(waits, at.Sub(placed))
				return nil
			}
			return fmt.Errorf("%s is not seen", key)
		})
	}
	slices.Sort(waits)
	t.Logf("from the answer to an order to its event on the stream: median %s of %d", waits[len(waits)/2], len(waits))

	running.Kill(t, "gateway")
	for len(want) < 24 { // while it is away, and as it comes back
		if a, err := buyer.Do(t.Context(), "POST /api/v1/orders", client.Raw(one)); err == nil && a.Status == 201 {
			var order client.Order
			must(t, a.Into(201, &order))
			want = append(want, order.ID+" orders.placed", order.ID+" orders.paid")
		}
	}
	platform.Eventually(t, 60*time.Second, func() error {
		if _, all := w.count(); len(all) < len(want) {
			return fmt.Errorf("%d of %d events", len(all), len(want))
		}
		return nil
	})
	up, all := w.count()
	slices.Sort(all)
	slices.Sort(want)
	if !slices.Equal(all, want) || up < 2 {
		t.Errorf("over %d streams the events %v came, want %v", up, all, want)
	}
}
