package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/telemetry"
)

// openRaw opens a stream on a TCP connection, which it returns with the status line of the response.
func openRaw(t *testing.T, url string, caller shop.Caller) (conn net.Conn, status string) {
	t.Helper()
	token, err := kittest.Signer.Sign(caller, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err = new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10) // so that a client that does not read soon blocks
	if _, err := fmt.Fprintf(conn, "GET /api/v1/notifications/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", token); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 12)
	if _, err := io.ReadFull(conn, first); err != nil {
		t.Fatal(err)
	}
	return conn, string(first)
}

// TestAClosedStreamIsReplaced: a user with the most streams closes one and opens another, which is served long before
// the stream that was closed would poll or write. A user who closes none is refused.
func TestAClosedStreamIsReplaced(t *testing.T) {
	t.Parallel()
	streams, url := start(t, kittest.Verify, newInboxes().read)
	streams.checkInterval = time.Hour
	alice := kittest.NewCaller(shop.User)
	var open []net.Conn
	for range perUser {
		conn, status := openRaw(t, url, alice)
		if status != "HTTP/1.1 200" {
			t.Fatal(status)
		}
		open = append(open, conn)
	}
	for n, old := range open {
		if _, status := openRaw(t, url, alice); status != "HTTP/1.1 429" {
			t.Fatalf("one too many: %s", status)
		}
		_ = old.Close()
		kittest.Eventually(t, 5*time.Second, func() error { // until the gateway has noticed it
			if _, status := openRaw(t, url, alice); status != "HTTP/1.1 200" {
				return fmt.Errorf("after closing the %d. stream: %s", n+1, status)
			}
			return nil
		})
	}
}

// TestAStreamThatNeverBegan: one whose connection broke during the response does not count for ever.
func TestAStreamThatNeverBegan(t *testing.T) {
	t.Parallel()
	streams := New(kittest.Verify, newInboxes().read)
	owner := kittest.NewCaller(shop.User).ID
	for n := range 2 * perUser {
		err := streams.add(&connection{owner: owner, requestedAt: time.Now().Add(-2 * connectTimeout)})
		if err != nil {
			t.Fatalf("the %d. is refused: %v", n+1, err)
		}
	}
}

// TestAClosedStreamEnds with the next check of its connection, before anything is written to it.
func TestAClosedStreamEnds(t *testing.T) {
	t.Parallel()
	streams, url := start(t, kittest.Verify, newInboxes().read)
	streams.checkInterval = 2 * time.Second // so its first heartbeat is later than this test waits
	alice := kittest.NewCaller(shop.User)
	conn, _ := openRaw(t, url, alice)
	_ = conn.Close()
	kittest.Eventually(t, 5*time.Second, func() error {
		streams.mu.Lock()
		defer streams.mu.Unlock()
		if n := len(streams.open[alice.ID]); n > 0 {
			return fmt.Errorf("%d streams are open", n)
		}
		return nil
	})
}

// TestASlowReader is dropped when it has taken nothing for a while, so that it holds nothing here, and is counted as
// that.
func TestASlowReader(t *testing.T) {
	stop, err := telemetry.Start(t.Context(), "gateway")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	long := strings.Repeat("x", 64<<10)
	endless := func(_ context.Context, _ shop.UserID, after Position) (updates Updates, err error) { // more than any kernel keeps
		if after.Seq == nil {
			return Updates{}, nil
		}
		for n := range int64(100) {
			entry := fmt.Sprintf(`{"id":%q,"kind":"orders.paid","title":%q}`, uuid.New(), long)
			updates.Items = append(updates.Items, Entry{*after.Seq + n + 1, json.RawMessage(entry)})
		}
		return updates, nil
	}
	streams, url := start(t, kittest.Verify, endless)
	streams.writeTimeout = 200 * time.Millisecond
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	slow, _ := openRaw(t, url, alice)
	disconnected, _ := openRaw(t, url, bob)
	_ = disconnected.Close()
	streams.Wake(alice.ID)
	kittest.Eventually(t, 20*time.Second, func() error {
		metrics := get(t, url+"/metrics")
		for _, reason := range []string{"slow", "disconnected"} {
			if !strings.Contains(metrics, `gateway_streams_ended_total{otel_scope_name="sidecart/apps/gateway/stream",otel_scope_schema_url="",otel_scope_version="",reason="`+reason+`"} 1`) {
				return fmt.Errorf("no stream is counted as %s", reason)
			}
		}
		return nil
	})
	streams.mu.Lock()
	defer streams.mu.Unlock()
	if len(streams.open) != 0 {
		t.Errorf("%d users have streams", len(streams.open))
	}
	_ = slow.Close()
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
