package web

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Why a Line ends.
var (
	ErrSlowClient   = errors.New("the reader takes nothing")
	ErrDisconnected = errors.New("the reader has gone")
)

// Stream is an answer that goes on, for as long as whoever asked stays: server-sent events. An output of this type is sent
// with status 200 and the headers that the answer has got on its way out; then Run has the connection, until it returns. Run is
// called also where the reader has gone meanwhile, which its first Write tells.
type Stream struct {
	ContentType  string
	WriteTimeout time.Duration // with each Write
	Run          func(to *StreamWriter)
}

// StreamWriter is the connection of a Live answer. It holds no buffer, so that thousands of them cost little.
type StreamWriter struct {
	conn     net.Conn
	socket   syscall.RawConn // underneath conn; nil where there is none
	patience time.Duration
	failed   error
	rest     []byte // of the Write that failed
}

// Write sends at once. It fails with ErrSlowClient if the other side does not take it in time, and with ErrDisconnected if that has gone; a Line
// that has failed stays so.
func (l *StreamWriter) Write(text []byte) (int, error) {
	if l.failed != nil {
		return 0, l.failed
	}
	n, err := l.put(text, l.patience)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		l.failed, l.rest = ErrSlowClient, text[n:]
	} else if err != nil {
		l.failed = fmt.Errorf("%w: %w", ErrDisconnected, err)
	}
	return n, l.failed
}

func (l *StreamWriter) put(text []byte, patience time.Duration) (int, error) {
	if err := l.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return l.conn.Write(text)
}

// WriteFinal says a last word to who was slow, after the rest of what they were being told, if they take it now.
func (l *StreamWriter) WriteFinal(text string) {
	_, _ = l.put(append(l.rest, text...), time.Second) // or they do not
}

// Disconnected says whether the other side is known to have gone: it has closed its end, or has not answered for silence. What was written
// since would not say so: the kernel takes it. Any goroutine may ask.
func (l *StreamWriter) Disconnected() bool { return l.socket != nil && disconnected(l.socket) }

// tcpUserTimeout is how long a reader may leave unanswered what was sent, before the kernel takes it for gone. Without a bound that is
// a quarter of an hour.
const tcpUserTimeout = 20 * time.Second

var _ io.Writer = (*StreamWriter)(nil)

// startStream takes the connection away from the server, which would buffer what is written and end it after its own timeout. The
// head is written when all middleware is done with it.
func startStream(c *fiber.Ctx, live Stream) error {
	request := c.Context()
	request.HijackSetNoResponse(true)
	request.Hijack(func(conn net.Conn) {
		var head bytes.Buffer
		out := bufio.NewWriter(&head)
		_, _ = fmt.Fprintf(out, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nConnection: close\r\nX-Accel-Buffering: no\r\n", live.ContentType)
		for name, value := range request.Response.Header.All() {
			if n := string(name); !strings.EqualFold(n, "Content-Length") && !strings.EqualFold(n, "Content-Type") && !strings.EqualFold(n, "Connection") {
				_, _ = fmt.Fprintf(out, "%s: %s\r\n", name, value)
			}
		}
		_, _ = out.WriteString("\r\n")
		_ = out.Flush() // into memory
		line := &StreamWriter{conn: conn, socket: socketOf(conn), patience: live.WriteTimeout}
		if line.socket != nil {
			boundSilence(line.socket, tcpUserTimeout)
		}
		_, _ = line.Write(head.Bytes()) // the next one fails as well
		live.Run(line)
	})
	return nil
}

// socketOf is what is underneath a connection, whatever the server and TLS put around it.
func socketOf(conn net.Conn) syscall.RawConn {
	for {
		switch c := conn.(type) {
		case syscall.Conn:
			socket, err := c.SyscallConn()
			if err != nil {
				return nil
			}
			return socket
		case interface{ UnsafeConn() net.Conn }: // of a connection taken from the server
			conn = c.UnsafeConn()
		case interface{ NetConn() net.Conn }: // of TLS
			conn = c.NetConn()
		default:
			return nil
		}
	}
}
