package web

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sidecart/kit/shop"
)

// TestALineIsGivenUp by the kernel when its reader is silent, and is known to be over as soon as the reader closes it.
func TestALineIsGivenUp(t *testing.T) {
	t.Parallel()
	app := New("gateway", Config{})
	lines := make(chan *StreamWriter)
	over := make(chan struct{})
	Handle(app, "GET /live", shop.Anyone, func(context.Context, shop.Caller, None) (Stream, error) {
		return Stream{ContentType: "text/event-stream", WriteTimeout: time.Second, Run: func(to *StreamWriter) { lines <- to; <-over }}, nil
	}, Internal)
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	go app.Listener(listener) //nolint:errcheck // ends with the test
	t.Cleanup(func() { _ = app.ShutdownWithTimeout(time.Second) })
	defer close(over)
	reader, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(reader, "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	line := <-lines
	bound := 0
	if err := line.socket.Control(func(fd uintptr) { bound, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) }); err != nil {
		t.Fatal(err)
	}
	if time.Duration(bound)*time.Millisecond != tcpUserTimeout || line.Disconnected() {
		t.Errorf("given up after %d ms; gone: %v", bound, line.Disconnected())
	}
	_ = reader.Close()
	for deadline := time.Now().Add(5 * time.Second); !line.Disconnected(); {
		if time.Now().After(deadline) {
			t.Fatal("nobody knows that the reader has gone")
		}
	}
}
