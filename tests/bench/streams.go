package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"sidecart/kit/auth"
	"sidecart/kit/shop"
	"sidecart/tests/client"
	"sidecart/tests/platform"
)

const (
	openStreams = 5000
	perReader   = 2   // of these streams, so they are of half as many people
	mostStreams = 8   // that one person may have open
	watched     = 100 // orders
)

// streams are many people who have a page open, and what that costs the gateway.
type streams struct {
	before, open, after float64         // MB of the gateway, resident: without streams, with all of them, after a broadcast
	order, broadcast    []time.Duration // from the answer to who began it until it is on a stream
	people              []client.Client
	all                 []*reading
}

// reading is one open stream. Whatever comes is told by its line and the moment.
type reading struct {
	conn  net.Conn
	lines *bufio.Reader
}

type arrival struct {
	line string
	at   time.Time
}

// watch opens the streams and measures what a shop does that has them open.
func watch(ctx context.Context, p *platform.Platform, admin client.Client) (s streams, err error) {
	defer func() {
		for _, r := range s.all {
			_ = r.conn.Close() // it may have ended
		}
	}()
	address, err := p.Secret("notifications-database-url")
	if err != nil {
		return s, err
	}
	db, err := pgx.Connect(ctx, address)
	if err != nil {
		return s, err
	}
	defer func() { // other measurements count their readers, and wait until nothing waits
		_, goErr := db.Exec(ctx, `
			with gone as (delete from contacts where username = 'visitor' returning user_id)
			delete from deliveries where user_id in (select user_id from gone)`)
		err = errors.Join(err, goErr, db.Close(ctx))
	}()
	if s.people, err = visitors(ctx, p, db, openStreams/perReader); err != nil {
		return s, err
	}
	if s.before, err = resident(p); err != nil {
		return s, err
	}
	if err := s.begin(ctx); err != nil {
		return s, err
	}
	if s.open, err = resident(p); err != nil {
		return s, err
	}
	arrived := make(chan arrival, openStreams)
	failed := make(chan error, openStreams)
	for _, r := range s.all {
		go func() { failed <- r.follow(arrived) }()
	}
	if s.order, err = s.orders(ctx, arrived, failed); err != nil {
		return s, err
	}
	if s.broadcast, err = s.announce(ctx, admin, arrived, failed); err != nil {
		return s, err
	}
	s.after, err = resident(p)
	return s, err
}

// resident is the memory of the gateway in MB.
func resident(p *platform.Platform) (float64, error) {
	all, err := memory(p)
	return all["gateway"], err
}

// visitors are people with tokens as the users service signs them. Notifications knows them without an address, and as admins,
// so that there is a broadcast to them alone.
func visitors(ctx context.Context, p *platform.Platform, db *pgx.Conn, n int) (people []client.Client, err error) {
	secret, err := p.Secret("JWT_SECRET_KEY")
	if err != nil {
		return nil, err
	}
	signer, err := auth.NewSigner(secret)
	if err != nil {
		return nil, err
	}
	signer.Issuer = fmt.Sprintf("http://localhost:%d", p.Port("gateway", "app"))
	var rows [][]any
	for range n {
		who := shop.Caller{ID: shop.UserID{UUID: shop.NewID()}, SessionID: shop.NewID(), Role: shop.User}
		token, err := signer.Sign(who, time.Hour)
		if err != nil {
			return nil, err
		}
		rows = append(rows, []any{who.ID.UUID, "visitor", string(shop.Admin)})
		people = append(people, client.Client{Base: p.URL(), Token: token})
	}
	_, err = db.CopyFrom(ctx, pgx.Identifier{"contacts"}, []string{"user_id", "username", "role"}, pgx.CopyFromRows(rows))
	return people, err
}

// begin opens all streams. It fails unless one more than a person may have is refused.
func (s *streams) begin(ctx context.Context) error {
	var g errgroup.Group
	var mu sync.Mutex
	g.SetLimit(32)
	for i := range openStreams {
		g.Go(func() error {
			r, status, err := openStream(ctx, s.people[i/perReader])
			if err == nil && status != "200" {
				err = fmt.Errorf("stream %d: status %s", i, status)
			}
			mu.Lock()
			defer mu.Unlock()
			if r != nil {
				s.all = append(s.all, r)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var more []*reading
	status := "200"
	for n := perReader; n <= mostStreams && status == "200"; n++ {
		r, got, err := openStream(ctx, s.people[0])
		if err != nil {
			return err
		}
		more, status = append(more, r), got
	}
	for _, r := range more {
		_ = r.conn.Close()
	}
	if status != "429" || len(more) != mostStreams-perReader+1 {
		return fmt.Errorf("one person has %d streams, and the next was answered %s", perReader+len(more)-1, status)
	}
	return nil
}

// openStream returns when the stream is open, or refused.
func openStream(ctx context.Context, who client.Client) (r *reading, status string, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(who.Base, "http://"))
	if err != nil {
		return nil, "", err
	}
	r = &reading{conn, bufio.NewReaderSize(conn, 2<<10)}
	if _, err := fmt.Fprintf(conn, "GET /api/v1/notifications/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", who.Token); err != nil {
		return r, "", err
	}
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return r, status, err
		}
		words := strings.Fields(line)
		switch {
		case status == "" && len(words) > 1:
			status = words[1]
		case strings.HasPrefix(line, "id: "), status != "200" && line == "\r\n":
			return r, status, nil // it has said where it begins
		}
	}
}

// follow hands over what comes until the stream ends.
func (r *reading) follow(arrived chan<- arrival) error {
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "data: ") {
			arrived <- arrival{line, time.Now()}
		}
	}
}

// orders are placed one after another, each by somebody who looks.
func (s *streams) orders(ctx context.Context, arrived <-chan arrival, failed <-chan error) (waits []time.Duration, err error) {
	for range watched {
		var placed client.Order
		buyer := s.people[rand.IntN(len(s.people))]                                    //nolint:gosec // whoever
		body := strings.Replace(order, "NUMBER", fmt.Sprint(1+rand.IntN(products)), 1) //nolint:gosec // whichever
		if err := buyer.Call(ctx, "POST /api/v1/orders", client.Raw(body), 201, &placed); err != nil {
			return nil, err
		}
		begin := time.Now()
		for seen := 0; seen < perReader; {
			a, err := next(arrived, failed)
			if err != nil {
				return nil, err
			}
			if strings.Contains(a.line, placed.ID) && strings.Contains(a.line, `"kind":"orders.placed"`) {
				waits = append(waits, a.at.Sub(begin))
				seen++
			}
		}
	}
	return waits, nil
}

// announce tells everybody one thing.
func (s *streams) announce(ctx context.Context, admin client.Client, arrived <-chan arrival, failed <-chan error) (waits []time.Duration, err error) {
	if err := admin.Call(ctx, "POST /api/v1/notifications/broadcast", map[string]string{"title": "New in the shop", "body": "Headphones.", "role": "admin"}, 202, nil); err != nil {
		return nil, err
	}
	for begin := time.Now(); len(waits) < openStreams; {
		a, err := next(arrived, failed)
		if err != nil {
			return nil, fmt.Errorf("after %d of a broadcast: %w", len(waits), err)
		}
		if strings.Contains(a.line, `"kind":"broadcast"`) {
			waits = append(waits, a.at.Sub(begin))
		}
	}
	return waits, nil
}

func next(arrived <-chan arrival, failed <-chan error) (arrival, error) {
	select {
	case a := <-arrived:
		return a, nil
	case err := <-failed:
		return arrival{}, fmt.Errorf("a stream ended: %w", err)
	case <-time.After(time.Minute):
		return arrival{}, errors.New("nothing comes any more")
	}
}

// String is a section of the report.
func (s streams) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## Open streams\n\n%d streams of %d users take the gateway from %.0f MB to %.0f MB (resident), and to %.0f MB after an event on\n"+
		"each of them; the target is 300 MB. Time from the response to the event on the stream, with all of them open:\n\n| what | p50 | p99 |\n|---|---|---|\n",
		openStreams, openStreams/perReader, s.before, s.open, s.after)
	for _, r := range []struct {
		name  string
		waits []time.Duration
	}{{"a placed order", s.order}, {"a broadcast, on all of them", s.broadcast}} {
		slices.Sort(r.waits)
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.name, latency(r.waits[len(r.waits)/2]), latency(r.waits[len(r.waits)*99/100]))
	}
	return b.String()
}
