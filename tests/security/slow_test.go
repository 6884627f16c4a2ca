package security_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSlowClientsAreCutOff opens many connections that send single bytes, of the headers or of the body. The gateway
// closes each of them, and serves other clients meanwhile.
func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	const head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	var connections sync.WaitGroup
	for i := range 200 {
		begin, byByte := head, "X-Slow: "+strings.Repeat("x", 10_000)
		if i%2 == 0 {
			begin, byByte = head+"Content-Length: 10000\r\n\r\n", "{"+strings.Repeat(" ", 10_000)
		}
		connections.Go(func() {
			if err := trickle(begin, byByte, 40*time.Second); err != nil {
				t.Errorf("slow connection %d: %v", i, err)
			}
		})
	}
	done := make(chan struct{})
	go func() { connections.Wait(); close(done) }()
	served := 0
	for waiting := true; waiting; time.Sleep(100 * time.Millisecond) {
		select {
		case <-done:
			waiting = false
		default:
			must(t, do(t, anonymous(), "GET /health", nil).Into(200, nil))
			served++
		}
	}
	if served < 10 {
		t.Errorf("only %d other requests were served meanwhile", served)
	}
}

// trickle sends begin, and then rest byte by byte, until the server closes the connection. It fails if the server does
// not.
func trickle(begin, rest string, timeout time.Duration) error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(running.URL(), "http://"))
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // a test's end
	closed := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, conn) // until it ends
		close(closed)
	}()
	if _, err := io.WriteString(conn, begin); err != nil {
		return err
	}
	for sent, deadline := 0, time.Now().Add(timeout); time.Now().Before(deadline); sent++ {
		if _, err := io.WriteString(conn, rest[sent:sent+1]); err != nil {
			return nil //nolint:nilerr // closed, as expected
		}
		select {
		case <-closed:
			return nil
		case <-time.After(500 * time.Millisecond):
		}
	}
	return fmt.Errorf("still open after %s", timeout)
}
