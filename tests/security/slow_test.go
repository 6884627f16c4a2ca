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

// TestSlowClientsAreCutOff opens many connections that send a byte now and then: in the request's head, and in its body.
// Others are served meanwhile, and the gateway ends each of them.
func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	const head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	var ended sync.WaitGroup
	for i := range 200 {
		begin, byByte := head, "X-Slow: "+strings.Repeat("x", 10_000)
		if i%2 == 0 {
			begin, byByte = head+"Content-Length: 10000\r\n\r\n", "{"+strings.Repeat(" ", 10_000)
		}
		ended.Go(func() {
			if err := trickle(begin, byByte, 40*time.Second); err != nil {
				t.Errorf("slow connection %d: %v", i, err)
			}
		})
	}
	done := make(chan struct{})
	go func() { ended.Wait(); close(done) }()
	served := 0
	for waiting := true; waiting; time.Sleep(100 * time.Millisecond) {
		select {
		case <-done:
			waiting = false
		default:
			must(t, do(t, stranger(), "GET /health", nil).Into(200, nil))
			served++
		}
	}
	if served < 10 {
		t.Errorf("only %d others were served meanwhile", served)
	}
}

// trickle sends begin, then the rest a byte at a time, until the other side ends the connection. It fails if it does not.
func trickle(begin, rest string, most time.Duration) error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(running.URL(), "http://"))
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // a test's end
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, conn) // until it ends, in whatever way
		close(over)
	}()
	if _, err := io.WriteString(conn, begin); err != nil {
		return err
	}
	for sent, deadline := 0, time.Now().Add(most); time.Now().Before(deadline); sent++ {
		if _, err := io.WriteString(conn, rest[sent:sent+1]); err != nil {
			return nil //nolint:nilerr // the end that is wanted
		}
		select {
		case <-over:
			return nil
		case <-time.After(500 * time.Millisecond):
		}
	}
	return fmt.Errorf("still open after %s", most)
}
