package port

import (
	"net"
	"os"
	"testing"
)

func TestInUseNamesTheProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	number := l.Addr().(*net.TCPAddr).Port
	process, used := InUse(t.Context(), number)
	if !used || process.PID != os.Getpid() || process.Command == "" {
		t.Errorf("port %d: in use %v by %v, want this process", number, used, process)
	}
	l.Close()
	if process, used := InUse(t.Context(), number); used {
		t.Errorf("port %d is still in use by %v", number, process)
	}
}

func TestInUseOnEveryAddress(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Skipf("no %s here: %v", address, err)
		}
		if _, used := InUse(t.Context(), l.Addr().(*net.TCPAddr).Port); !used {
			t.Errorf("a listener on %s was not seen", address)
		}
		l.Close()
	}
}
