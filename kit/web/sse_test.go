package web

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// TestSlowClient: Write fails and keeps failing; WriteFinal sends the rest of the failed Write before its own text.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	server, client := net.Pipe()
	defer client.Close() //nolint:errcheck // of a test
	writer := &StreamWriter{conn: server, timeout: time.Second}
	received := make(chan string)
	go func() {
		some := make([]byte, 4)
		_, _ = io.ReadFull(client, some)
		received <- string(some)
	}()
	n, err := writer.Write([]byte("data: all of it\n\n"))
	if got := <-received; got != "data" || n != 4 || !errors.Is(err, ErrSlowClient) {
		t.Fatalf("%q %d %v", got, n, err)
	}
	if n, err := writer.Write([]byte("more")); n != 0 || !errors.Is(err, ErrSlowClient) {
		t.Errorf("%d %v", n, err)
	}
	go func() {
		rest, _ := io.ReadAll(client)
		received <- string(rest)
	}()
	writer.WriteFinal(": slow\n\n")
	_ = server.Close()
	if got := <-received; got != ": all of it\n\n: slow\n\n" {
		t.Errorf("finally %q", got)
	}
}

func TestDisconnectedClient(t *testing.T) {
	t.Parallel()
	server, client := net.Pipe()
	_ = client.Close()
	writer := &StreamWriter{conn: server, timeout: time.Second}
	for range 2 {
		if _, err := writer.Write([]byte("x")); !errors.Is(err, ErrDisconnected) {
			t.Error(err)
		}
	}
}
