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

// TestClosedConnectionIsNoticed: the kernel's timeout is set, and a closed connection is reported without a Write.
func TestClosedConnectionIsNoticed(t *testing.T) {
	t.Parallel()
	app := New("gateway", Config{})
	writers := make(chan *StreamWriter)
	over := make(chan struct{})
	Handle(app, "GET /live", shop.Anyone, func(context.Context, shop.Caller, None) (Stream, error) {
		run := func(to *StreamWriter) { writers <- to; <-over }
		return Stream{ContentType: "text/event-stream", WriteTimeout: time.Second, Run: run}, nil
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
	writer := <-writers
	bound := 0
	if err := writer.socket.Control(func(fd uintptr) { bound, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) }); err != nil {
		t.Fatal(err)
	}
	if time.Duration(bound)*time.Millisecond != tcpUserTimeout || writer.Disconnected() {
		t.Errorf("user timeout %d ms, disconnected: %v", bound, writer.Disconnected())
	}
	_ = reader.Close()
	for deadline := time.Now().Add(5 * time.Second); !writer.Disconnected(); {
		if time.Now().After(deadline) {
			t.Fatal("not reported as disconnected")
		}
	}
}
