package journey_test

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

// leaveCart: a cart that nobody changes is forgotten after CART_TTL, and one that is changed has its time anew. What is looked
// at meanwhile is not changed.
func leaveCart(t *testing.T) (end func(t *testing.T)) {
	left, kept := newBuyer(t), newBuyer(t)
	put := func(t *testing.T, who client.Client, quantity int) {
		t.Helper()
		must(t, who.Call(t.Context(), "PUT /api/v1/cart/items/1", map[string]int{"quantity": quantity}, 200, nil))
	}
	lines := func(t *testing.T, who client.Client) int {
		t.Helper()
		var c struct{ Items []struct{ Quantity int } }
		must(t, who.Call(t.Context(), "GET /api/v1/cart", nil, 200, &c))
		return len(c.Items)
	}
	put(t, left, 1)
	put(t, kept, 1)
	if lines(t, left) != 1 || lines(t, kept) != 1 {
		t.Error("what was put into a cart is not there")
	}
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { // changes it every second
		for n := 2; ; n++ {
			select {
			case <-ctx.Done():
				over <- nil
				return
			case <-time.After(time.Second):
			}
			a, err := kept.Do(context.WithoutCancel(ctx), "PUT /api/v1/cart/items/1", map[string]int{"quantity": n%5 + 1})
			if err != nil || a.Status != 200 {
				over <- fmt.Errorf("a change of a cart: %d %s, %w", a.Status, a.Body, err)
				return
			}
		}
	}()
	return func(t *testing.T) {
		platform.Eventually(t, 60*time.Second, func() error {
			if n := lines(t, left); n != 0 {
				return fmt.Errorf("the cart that was left has %d lines", n)
			}
			return nil
		})
		if lines(t, kept) != 1 {
			t.Error("a cart that is changed every second was forgotten")
		}
		put(t, left, 3)
		if lines(t, left) != 1 {
			t.Error("nothing goes into a cart that was forgotten once")
		}
		stop()
		must(t, <-over)
	}
}

// exportSlowly: what is for sale comes whole to somebody who takes it for longer than other answers may take.
func exportSlowly(t *testing.T) (end func(t *testing.T)) {
	whole, err := admin.Do(t.Context(), "GET /api/v1/products/export", nil)
	must(t, err)
	var got []byte
	over := make(chan error, 1)
	go func() {
		var err error
		got, err = takeFor(35*time.Second, len(whole.Body)) // the gateway gives other answers 30 s
		over <- err
	}()
	return func(t *testing.T) {
		if err := <-over; err != nil {
			t.Errorf("it ended after %d of %d bytes with %v", len(got), len(whole.Body), err)
		}
		// Meanwhile products were sold and put on sale, so it is not the same to the letter.
		if was, is := bytes.Count(whole.Body, []byte("\n")), bytes.Count(got, []byte("\n")); was < 8000 || is < was {
			t.Errorf("%d lines, and before %d", is, was)
		}
	}
}

// takeFor exports with a connection that holds little, and takes of so many bytes every tenth of a second as few as it
// needs to last.
func takeFor(last time.Duration, size int) ([]byte, error) {
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		_ = c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10) })
		return err
	}}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, nobody.Base+"/api/v1/products/export", nil)
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
		_, err := io.CopyN(&got, res.Body, int64(size)*int64(100*time.Millisecond)/int64(last)+1)
		if errors.Is(err, io.EOF) {
			return got.Bytes(), nil
		}
		if err != nil {
			return got.Bytes(), err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
