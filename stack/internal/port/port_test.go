package port

import (
	"net"
	"os"
	"testing"
)

func TestTakenNamesTheHolder(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	number := l.Addr().(*net.TCPAddr).Port
	holder, taken := Taken(t.Context(), number)
	if !taken || holder.PID != os.Getpid() || holder.Command == "" {
		t.Errorf("port %d: taken %v by %v, want this process", number, taken, holder)
	}
	l.Close()
	if holder, taken := Taken(t.Context(), number); taken {
		t.Errorf("port %d is still taken by %v", number, holder)
	}
}

func TestTakenSeesEveryAddress(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Skipf("no %s here: %v", address, err)
		}
		if _, taken := Taken(t.Context(), l.Addr().(*net.TCPAddr).Port); !taken {
			t.Errorf("a listener on %s was not seen", address)
		}
		l.Close()
	}
}
