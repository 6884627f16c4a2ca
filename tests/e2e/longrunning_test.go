package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/platform"
)

// expireCart: an unchanged cart expires after CART_TTL, even if it is read; a change renews the TTL.
func expireCart(t *testing.T) (end func(t *testing.T)) {
	idle, active := newBuyer(t), newBuyer(t)
	put := func(t *testing.T, buyer client.Client, quantity int) {
		t.Helper()
		must(t, buyer.Call(t.Context(), "PUT /api/v1/cart/items/1", map[string]int{"quantity": quantity}, 200, nil))
	}
	lines := func(t *testing.T, buyer client.Client) int {
		t.Helper()
		var c struct{ Items []struct{ Quantity int } }
		must(t, buyer.Call(t.Context(), "GET /api/v1/cart", nil, 200, &c))
		return len(c.Items)
	}
	put(t, idle, 1)
	put(t, active, 1)
	if lines(t, idle) != 1 || lines(t, active) != 1 {
		t.Error("an item is missing in a cart")
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { // changes the active cart every second
		for n := 2; ; n++ {
			select {
			case <-ctx.Done():
				done <- nil
				return
			case <-time.After(time.Second):
			}
			res, err := active.Do(context.WithoutCancel(ctx), "PUT /api/v1/cart/items/1", map[string]int{"quantity": n%5 + 1})
			if err != nil || res.Status != 200 {
				done <- fmt.Errorf("update of the cart: %d %s, %w", res.Status, res.Body, err)
				return
			}
		}
	}()
	return func(t *testing.T) {
		platform.Eventually(t, 60*time.Second, func() error {
			if n := lines(t, idle); n != 0 {
				return fmt.Errorf("the idle cart has %d lines", n)
			}
			return nil
		})
		if lines(t, active) != 1 {
			t.Error("the active cart has expired")
		}
		put(t, idle, 3)
		if lines(t, idle) != 1 {
			t.Error("an expired cart cannot be used again")
		}
		stop()
		must(t, <-done)
	}
}

// slowExport: an export that is read slowly is complete, although it takes longer than other responses may.
func slowExport(t *testing.T) (end func(t *testing.T)) {
	whole, err := admin.Do(t.Context(), "GET /api/v1/products/export", nil)
	must(t, err)
	var got []byte
	done := make(chan error, 1)
	go func() {
		var err error
		got, err = readSlowly(35*time.Second, len(whole.Body)) // other responses are cut off after 30 s
		done <- err
	}()
	return func(t *testing.T) {
		if err := <-done; err != nil {
			t.Errorf("the export ended after %d of %d bytes with %v", len(got), len(whole.Body), err)
		}
		// Other tests sell and add products meanwhile, so the exports differ in details.
		if was, is := bytes.Count(whole.Body, []byte("\n")), bytes.Count(got, []byte("\n")); was < 8000 || is < was {
			t.Errorf("%d lines, and before %d", is, was)
		}
	}
}

// readSlowly exports over a connection with a small buffer, and reads size bytes evenly over a duration.
func readSlowly(duration time.Duration, size int) ([]byte, error) {
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		_ = c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10) })
		return err
	}}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, anonymous.Base+"/api/v1/products/export", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+admin.Token)
	res, err := (&http.Transport{DialContext: dialer.DialContext}).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	var got bytes.Buffer
	for {
		_, err := io.CopyN(&got, res.Body, int64(size)*int64(100*time.Millisecond)/int64(duration)+1)
		if errors.Is(err, io.EOF) {
			return got.Bytes(), nil
		}
		if err != nil {
			return got.Bytes(), err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
