package postgres

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// markConnections marks errors of database connections as lostError, to distinguish them from errors of other
// connections.
func markConnections(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err // pgx makes it a ConnectError
		}
		return conn{c}, nil
	}
}

type conn struct{ net.Conn }

func (c conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, markLost(err)
}

func (c conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, markLost(err)
}

func markLost(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // a server that closes a connection in order sends a message first
	}
	return lostError{err}
}

// lostError is a net.Error of a connection to the database. pgx and crypto/tls call its Timeout.
type lostError struct{ error }

func (e lostError) Unwrap() error   { return e.error }
func (e lostError) Temporary() bool { return e.Timeout() }

func (e lostError) Timeout() bool {
	var cause net.Error
	return errors.As(e.error, &cause) && cause.Timeout()
}
