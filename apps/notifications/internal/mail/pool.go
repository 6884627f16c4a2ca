package mail

import (
	"sync"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

const (
	idleLimit   = 20 * time.Second // servers close what is idle for longer, some after half a minute
	quitTimeout = time.Second
)

// pool holds connections that wait for the next mail, for as long as limit. The last one that was put back is taken
// first, so that the others end when there is less to do.
type pool struct {
	limit    time.Duration
	mu       sync.Mutex
	conns    []idleConn
	timerSet bool // expire is about to be called
}

type idleConn struct {
	conn  *smtp.Client
	since time.Time
}

// take is a connection that was put back, or nil.
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

// expire ends what is idle for too long, and comes back while there is something left.
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
