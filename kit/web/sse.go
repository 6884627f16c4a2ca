package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Why a StreamWriter fails.
var (
	ErrSlowClient   = errors.New("the client does not read")
	ErrDisconnected = errors.New("the client has disconnected")
)

// Stream is a response that continues while the client stays connected: server-sent events. It is sent with status 200
// and the response headers set so far. Then Run owns the connection until it returns. Run is called even if the client
// has disconnected meanwhile; its first Write fails then.
type Stream struct {
	ContentType  string
	WriteTimeout time.Duration // of each Write
	Run          func(to *StreamWriter)
}

// StreamWriter is the connection of a Stream. It has no buffer, so that thousands of connections cost little memory.
type StreamWriter struct {
	conn    net.Conn
	socket  syscall.RawConn // of conn; nil if it has none
	timeout time.Duration
	failed  error
	rest    []byte // of the Write that failed
}

var _ io.Writer = (*StreamWriter)(nil)

// Write sends immediately. It fails with ErrSlowClient if the client does not read in time, and with ErrDisconnected if
// the connection is closed. A StreamWriter that has failed once fails always.
func (w *StreamWriter) Write(text []byte) (int, error) {
	if w.failed != nil {
		return 0, w.failed
	}
	n, err := w.send(text, w.timeout)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.failed, w.rest = ErrSlowClient, text[n:]
	} else if err != nil {
		w.failed = fmt.Errorf("%w: %w", ErrDisconnected, err)
	}
	return n, w.failed
}

func (w *StreamWriter) send(text []byte, timeout time.Duration) (int, error) {
	if err := w.conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return 0, err
	}
	return w.conn.Write(text)
}

// WriteFinal sends a last text to a slow client, after the rest of the Write that failed, if the client reads it now.
func (w *StreamWriter) WriteFinal(text string) {
	_, _ = w.send(append(w.rest, text...), time.Second) // best effort
}

// Disconnected reports whether the client has closed the connection or has not acknowledged data for tcpUserTimeout.
// Writes alone would not show it: the kernel accepts them. It is safe for concurrent use.
func (w *StreamWriter) Disconnected() bool { return w.socket != nil && disconnected(w.socket) }

// tcpUserTimeout is how long sent data may stay unacknowledged before the kernel closes the connection. Its default is
// about a quarter of an hour.
const tcpUserTimeout = 20 * time.Second

// replaced are headers that startStream writes itself.
var replaced = []string{fiber.HeaderContentLength, fiber.HeaderContentType, fiber.HeaderConnection}

// startStream hijacks the connection: the server would buffer writes and end the response after its own timeout. The
// head is written after all middleware has run.
func startStream(c *fiber.Ctx, stream Stream) error {
	request := c.Context()
	request.HijackSetNoResponse(true)
	request.Hijack(func(conn net.Conn) {
		var head bytes.Buffer
		head.WriteString("HTTP/1.1 200 OK\r\n")
		fmt.Fprintf(&head, "Content-Type: %s\r\nConnection: close\r\nX-Accel-Buffering: no\r\n", stream.ContentType)
		for name, value := range request.Response.Header.All() {
			if !slices.Contains(replaced, http.CanonicalHeaderKey(string(name))) {
				fmt.Fprintf(&head, "%s: %s\r\n", name, value)
			}
		}
		head.WriteString("\r\n")
		w := &StreamWriter{conn: conn, socket: socketOf(conn), timeout: stream.WriteTimeout}
		if w.socket != nil {
			setUserTimeout(w.socket, tcpUserTimeout)
		}
		_, _ = w.Write(head.Bytes()) // if it fails, the next Write fails too
		stream.Run(w)
	})
	return nil
}

// socketOf is the socket of a connection that the server or TLS wraps, or nil.
func socketOf(conn net.Conn) syscall.RawConn {
	for {
		switch c := conn.(type) {
		case syscall.Conn:
			socket, err := c.SyscallConn()
			if err != nil {
				return nil
			}
			return socket
		case interface{ UnsafeConn() net.Conn }: // hijacked
			conn = c.UnsafeConn()
		case interface{ NetConn() net.Conn }: // TLS
			conn = c.NetConn()
		default:
			return nil
		}
	}
}
