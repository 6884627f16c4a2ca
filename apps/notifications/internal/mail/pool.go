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
	limit    time.Duration
	mu       sync.Mutex
	conns    []idleConn
	timerSet bool // expire will be called
}

type idleConn struct {
	conn  *smtp.Client
	since time.Time
}

// take returns an idle connection, or nil.
func (p *pool) take() *smtp.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.conns) == 0 {
		return nil
	}
	last := p.conns[len(p.conns)-1]
	p.conns = p.conns[:len(p.conns)-1]
	return last.conn
}

func (p *pool) put(conn *smtp.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, idleConn{conn, time.Now()})
	if !p.timerSet {
		p.timerSet = true
		time.AfterFunc(p.limit, p.expire)
	}
}

// expire closes connections that are idle for too long, and sets the timer for the others.
func (p *pool) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.conns) > 0 && time.Since(p.conns[0].since) >= p.limit {
		go quit(p.conns[0].conn)
		p.conns = p.conns[1:]
	}
	if p.timerSet = len(p.conns) > 0; p.timerSet {
		time.AfterFunc(time.Until(p.conns[0].since.Add(p.limit)), p.expire)
	}
}

func quit(conn *smtp.Client) {
	_ = conn.UpdateDeadline(quitTimeout)
	_ = conn.Quit()
	_ = conn.Close()
}
