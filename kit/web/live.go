package web

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Live is an answer that goes on, for as long as whoever asked stays: server-sent events. An output of this type is sent
// with status 200 and the headers that the answer has got on its way out; then Run has the connection, until it returns.
type Live struct {
	ContentType string
	Run         func(to *Line)
}

// Line is the connection of a Live answer. It holds no buffer, so that thousands of them cost little.
type Line struct{ conn net.Conn }

// Write sends at once. It fails if the other side does not take it within 10 s, or has gone.
func (l *Line) Write(text []byte) (int, error) {
	if err := l.conn.SetWriteDeadline(time.Now().Add(lineTimeout)); err != nil {
		return 0, err
	}
	return l.conn.Write(text)
}

const lineTimeout = 10 * time.Second

var _ io.Writer = (*Line)(nil)

// goLive takes the connection away from the server, which would buffer what is written and end it after its own timeout. The
// head is written when all middleware is done with it.
func goLive(c *fiber.Ctx, live Live) error {
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
		line := &Line{conn}
		if _, err := line.Write(head.Bytes()); err == nil {
			live.Run(line)
		}
	})
	return nil
}
