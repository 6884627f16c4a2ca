package port

import (
	"context"
	"net"
	"os"
	"testing"
	"time"
)

func TestInUseNamesTheProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	number := l.Addr().(*net.TCPAddr).Port
	process, used := InUse(number)
	if !used || process.PID != os.Getpid() || process.Command == "" {
		t.Errorf("port %d: in use %v by %v, want this process", number, used, process)
	}
	l.Close()
	if process, used := InUse(number); used {
		t.Errorf("port %d is still in use by %v", number, process)
	}
}

func TestInUseOnEveryAddress(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Skipf("no %s here: %v", address, err)
		}
		if _, used := InUse(l.Addr().(*net.TCPAddr).Port); !used {
			t.Errorf("a listener on %s was not seen", address)
		}
		l.Close()
	}
}

// TestAwaitFree: an outgoing connection holds its port, on which nothing listens.
func TestAwaitFree(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // a test's end
	connection, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number := connection.LocalAddr().(*net.TCPAddr).Port
	if process, used := InUse(number); used {
		t.Errorf("nothing listens on port %d, but %v does", number, process)
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := AwaitFree(short, number, func() {}); err == nil {
		t.Errorf("port %d is free, and a connection uses it", number)
	}
	time.AfterFunc(300*time.Millisecond, func() {
		_ = connection.(*net.TCPConn).SetLinger(0) // the kernel forgets the connection immediately
		_ = connection.Close()
	})
	long, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	waits := 0
	if err := AwaitFree(long, number, func() { waits++ }); err != nil || waits != 1 {
		t.Errorf("%v, %d waits were reported", err, waits)
	}
}
