package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"sidecart/kit/kittest"
	"sidecart/kit/postgres"
)

// TestUnavailable: errors of a database connection count, however it ends, and errors of other connections do not.
func TestUnavailable(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, other := range []error{refused, fmt.Errorf("the provider: %w", refused), &url.Error{Op: "Post", Err: io.EOF}, io.ErrUnexpectedEOF} {
		if postgres.IsUnavailable(other) {
			t.Errorf("%v is not an error of the database", other)
		}
	}
	db := kittest.DB(t)
	wire := cut(t, db.Config().ConnConfig.Host, db.Config().ConnConfig.Port)
	address, err := url.Parse(db.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	address.Host = wire.Addr().String()
	through, err := postgres.Open(t.Context(), address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer through.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err = through.Exec(ctx, `select 'cut', pg_sleep(10)`); err == nil || !postgres.IsUnavailable(err) {
		t.Errorf("cut connection: %v", err)
	}
	if err := wire.Close(); err != nil {
		t.Fatal(err)
	}
	through.Reset()
	if err := through.Ping(ctx); err == nil || !postgres.IsUnavailable(err) {
		t.Errorf("unavailable server: %v", err)
	}
	if _, err := db.Exec(ctx, `select 1 / 0`); err == nil || postgres.IsUnavailable(err) {
		t.Errorf("invalid statement: %v", err)
	}
}

// cut is a proxy of the database that closes a connection as soon as a client sends "cut".
func cut(t *testing.T, host string, port uint16) net.Listener {
	t.Helper()
	wire, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = wire.Close() }) // the test may have done so
	go func() {
		for {
			client, err := wire.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(port)))
			if err != nil {
				t.Error(err)
				return
			}
			go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
			go func() { _, _ = io.Copy(server, &until{client}); _ = client.Close(); _ = server.Close() }()
		}
	}()
	return wire
}

type until struct{ io.Reader }

func (u *until) Read(b []byte) (int, error) {
	n, err := u.Reader.Read(b)
	if bytes.Contains(b[:n], []byte("'cut'")) {
		return 0, io.EOF
	}
	return n, err
}
