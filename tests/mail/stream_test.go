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

// streamReader reads the stream as a page does: when the connection ends it reconnects with the last id.
type streamReader struct {
	mu          sync.Mutex
	lastEventID string
	seen        map[string]time.Time // by order and kind
	all         []string             // with duplicates
	connections int                  // in total
}

func readStream(ctx context.Context, buyer client.Client) *streamReader {
	r := &streamReader{seen: map[string]time.Time{}}
	go func() {
		for ctx.Err() == nil {
			if err := r.read(ctx, buyer); err != nil {
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		}
	}()
	return r
}

func (r *streamReader) read(ctx context.Context, buyer client.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, buyer.Base+"/api/v1/notifications/stream", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+buyer.Token)
	r.mu.Lock()
	if r.lastEventID != "" {
		req.Header.Set("Last-Event-ID", r.lastEventID)
	}
	r.mu.Unlock()
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
		r.mu.Lock()
		switch name {
		case "id":
			r.lastEventID = value
		case "retry":
			r.connections++
		case "event":
			kind = value
		case "data":
			if _, rest, ok := strings.Cut(value, `"order_id":"`); ok {
				key := rest[:36] + " " + kind
				r.seen[key] = time.Now()
				r.all = append(r.all, key)
			}
		}
		r.mu.Unlock()
	}
	return errors.Join(lines.Err(), errors.New("the stream ended"))
}

func (r *streamReader) count() (streams int, all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connections, slices.Clone(r.all)
}

// streaming checks that events of orders arrive immediately, and that after a crash of the gateway no event is missing
// or duplicated.
func streaming(t *testing.T) {
	buyer := newBuyer(t, "stella", "Stella")
	r := readStream(t.Context(), buyer)
	platform.Eventually(t, 20*time.Second, func() error {
		if up, _ := r.count(); up != 1 {
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
			r.mu.Lock()
			defer r.mu.Unlock()
			if at, ok := r.seen[key]; ok {
				waits = append(waits, at.Sub(placed))
				return nil
			}
			return fmt.Errorf("no %s", key)
		})
	}
	slices.Sort(waits)
	t.Logf("from the response to an order to its event on the stream: median %s of %d", waits[len(waits)/2], len(waits))

	running.Kill(t, "gateway")
	for len(want) < 24 { // while the gateway is restarted
		if res, err := buyer.Do(t.Context(), "POST /api/v1/orders", client.Raw(oneItem)); err == nil && res.Status == 201 {
			var order client.Order
			must(t, res.Into(201, &order))
			want = append(want, order.ID+" orders.placed", order.ID+" orders.paid")
		}
	}
	platform.Eventually(t, 60*time.Second, func() error {
		if _, all := r.count(); len(all) < len(want) {
			return fmt.Errorf("%d of %d events", len(all), len(want))
		}
		return nil
	})
	up, all := r.count()
	slices.Sort(all)
	slices.Sort(want)
	if !slices.Equal(all, want) || up < 2 {
		t.Errorf("over %d streams %v, want %v", up, all, want)
	}
}
