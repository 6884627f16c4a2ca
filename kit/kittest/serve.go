package kittest

import (
	"net"
	"testing"
	"time"

	"sidecart/kit/web"
)

// Serve runs the app on a free port until the test ends, and returns its address, host:port.
func Serve(t testing.TB, app *web.App) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- app.Listener(listener) }()
	t.Cleanup(func() {
		if err := app.ShutdownWithTimeout(5 * time.Second); err != nil {
			t.Errorf("stop the app: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("the app ended with %v", err)
		}
	})
	return listener.Addr().String()
}
