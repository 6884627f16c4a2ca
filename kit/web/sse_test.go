package web

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// TestALineToWhoIsSlow fails, stays so, and says a last word, if it is taken, after the whole of what was said before.
func TestALineToWhoIsSlow(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer theirs.Close() //nolint:errcheck // of a test
	line := &StreamWriter{conn: ours, patience: time.Second}
	begun := make(chan string)
	go func() {
		some := make([]byte, 4)
		_, _ = io.ReadFull(theirs, some)
		begun <- string(some)
	}()
	n, err := line.Write([]byte("data: all of it\n\n"))
	if got := <-begun; got != "data" || n != 4 || !errors.Is(err, ErrSlowClient) {
		t.Fatalf("%q %d %v", got, n, err)
	}
	if n, err := line.Write([]byte("more")); n != 0 || !errors.Is(err, ErrSlowClient) {
		t.Errorf("%d %v", n, err)
	}
	go func() {
		rest, _ := io.ReadAll(theirs)
		begun <- string(rest)
	}()
	line.WriteFinal(": slow\n\n")
	_ = ours.Close()
	if got := <-begun; got != ": all of it\n\n: slow\n\n" {
		t.Errorf("at last %q", got)
	}
}

// TestALineToWhoHasGone says so, whatever is tried on it.
func TestALineToWhoHasGone(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	_ = theirs.Close()
	line := &StreamWriter{conn: ours, patience: time.Second}
	for range 2 {
		if _, err := line.Write([]byte("x")); !errors.Is(err, ErrDisconnected) {
			t.Error(err)
		}
	}
}
