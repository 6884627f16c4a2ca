package mail

import (
	"sync"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

const (
	idleLimit   = 20 * time.Second // servers close connections that are idle for longer, some after 30 s
	quitTimeout = time.Second
)

// pool keeps idle connections for at most limit. take returns the one used last, so that others expire when there is
// less to send.
type pool struct {
	limit time.Duration
	mu    sync.Mutex
	conns []idleConn
}

type idleConn struct {
	conn   *smtp.Client
	expiry *time.Timer // quits the connection
}

// take returns an idle connection, or nil.
func (p *pool) take() *smtp.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.conns) - 1; n >= 0; n-- {
		last := p.conns[n]
		p.conns = p.conns[:n]
		if last.expiry.Stop() {
			return last.conn
		}
	}
	return nil
}

func (p *pool) put(conn *smtp.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, idleConn{conn, time.AfterFunc(p.limit, func() { quit(conn) })})
}

func quit(conn *smtp.Client) {
	_ = conn.UpdateDeadline(quitTimeout)
	_ = conn.Quit()
	_ = conn.Close()
}
