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
	openStreams  = 5000
	perUser      = 2   // streams
	maxPerUser   = 8   // streams that the gateway accepts
	streamOrders = 100 // orders to measure
)

// streams are the notification streams of many users, with their cost for the gateway.
type streams struct {
	before, open, after float64         // MB of the gateway, resident: without streams, with all, after a broadcast
	order, broadcast    []time.Duration // from the response to the request until the event is on a stream
	users               []client.Client
	all                 []*stream
}

// stream is one open stream.
type stream struct {
	conn   net.Conn
	reader *bufio.Reader
}

// arrival is an event on a stream.
type arrival struct {
	data string
	at   time.Time
}

// measureStreams opens the streams and measures events on them.
func measureStreams(ctx context.Context, p *platform.Platform, admin client.Client) (s streams, err error) {
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
	defer func() { // later measurements count recipients and waiting mails
		_, deleteErr := db.Exec(ctx, `
			with deleted as (delete from contacts where username = 'visitor' returning user_id)
			delete from deliveries where user_id in (select user_id from deleted)`)
		err = errors.Join(err, deleteErr, db.Close(ctx))
	}()
	if s.users, err = visitors(ctx, p, db, openStreams/perUser); err != nil {
		return s, err
	}
	if s.before, err = resident(p); err != nil {
		return s, err
	}
	if err := s.openAll(ctx); err != nil {
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
	if s.broadcast, err = s.sendBroadcast(ctx, admin, arrived, failed); err != nil {
		return s, err
	}
	s.after, err = resident(p)
	return s, err
}

// resident is the resident memory of the gateway in MB.
func resident(p *platform.Platform) (float64, error) {
	all, err := memory(p)
	return all["gateway"], err
}

// visitors are users with tokens as the users service signs them. Notifications has them as admins without an address,
// so that a broadcast to admins is to them only.
func visitors(ctx context.Context, p *platform.Platform, db *pgx.Conn, n int) (users []client.Client, err error) {
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
		caller := shop.Caller{ID: shop.UserID{UUID: shop.NewID()}, SessionID: shop.NewID(), Role: shop.User}
		token, err := signer.Sign(caller, time.Hour)
		if err != nil {
			return nil, err
		}
		rows = append(rows, []any{caller.ID.UUID, "visitor", string(shop.Admin)})
		users = append(users, client.Client{Base: p.URL(), Token: token})
	}
	columns := []string{"user_id", "username", "role"}
	_, err = db.CopyFrom(ctx, pgx.Identifier{"contacts"}, columns, pgx.CopyFromRows(rows))
	return users, err
}

// openAll opens all streams. It fails unless a user's stream above the limit is rejected.
func (s *streams) openAll(ctx context.Context) error {
	var g errgroup.Group
	var mu sync.Mutex
	g.SetLimit(32)
	for i := range openStreams {
		g.Go(func() error {
			r, status, err := openStream(ctx, s.users[i/perUser])
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
	var more []*stream
	status := "200"
	for n := perUser; n <= maxPerUser && status == "200"; n++ {
		r, got, err := openStream(ctx, s.users[0])
		if err != nil {
			return err
		}
		more, status = append(more, r), got
	}
	for _, r := range more {
		_ = r.conn.Close()
	}
	if status != "429" || len(more) != maxPerUser-perUser+1 {
		return fmt.Errorf("a user has %d streams, and the response to the next was %s", perUser+len(more)-1, status)
	}
	return nil
}

// openStream returns when the stream is open, or rejected.
func openStream(ctx context.Context, user client.Client) (r *stream, status string, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(user.Base, "http://"))
	if err != nil {
		return nil, "", err
	}
	r = &stream{conn, bufio.NewReaderSize(conn, 2<<10)}
	const request = "GET /api/v1/notifications/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n"
	if _, err := fmt.Fprintf(conn, request, user.Token); err != nil {
		return r, "", err
	}
	for {
		line, err := r.reader.ReadString('\n')
		if err != nil {
			return r, status, err
		}
		words := strings.Fields(line)
		switch {
		case status == "" && len(words) > 1:
			status = words[1]
		case strings.HasPrefix(line, "id: "), status != "200" && line == "\r\n":
			return r, status, nil // the first event id
		}
	}
}

// follow passes events on until the stream ends.
func (r *stream) follow(arrived chan<- arrival) error {
	for {
		line, err := r.reader.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "data: ") {
			arrived <- arrival{line, time.Now()}
		}
	}
}

// orders places orders, each by a user with open streams.
func (s *streams) orders(ctx context.Context, arrived <-chan arrival, failed <-chan error) ([]time.Duration, error) {
	var waits []time.Duration
	for range streamOrders {
		var placed client.Order
		buyer := s.users[rand.IntN(len(s.users))]                                      //nolint:gosec // any user
		body := strings.Replace(order, "NUMBER", fmt.Sprint(1+rand.IntN(products)), 1) //nolint:gosec // any product
		if err := buyer.Call(ctx, "POST /api/v1/orders", client.Raw(body), 201, &placed); err != nil {
			return nil, err
		}
		begin := time.Now()
		for seen := 0; seen < perUser; {
			a, err := next(arrived, failed)
			if err != nil {
				return nil, err
			}
			if strings.Contains(a.data, placed.ID) && strings.Contains(a.data, `"kind":"orders.placed"`) {
				waits = append(waits, a.at.Sub(begin))
				seen++
			}
		}
	}
	return waits, nil
}

// sendBroadcast sends a broadcast to all users of streams.
func (s *streams) sendBroadcast(
	ctx context.Context, admin client.Client, arrived <-chan arrival, failed <-chan error,
) (waits []time.Duration, err error) {
	message := map[string]string{"title": "New in the shop", "body": "Headphones.", "role": "admin"}
	if err := admin.Call(ctx, "POST /api/v1/notifications/broadcast", message, 202, nil); err != nil {
		return nil, err
	}
	for begin := time.Now(); len(waits) < openStreams; {
		a, err := next(arrived, failed)
		if err != nil {
			return nil, fmt.Errorf("after %d events of a broadcast: %w", len(waits), err)
		}
		if strings.Contains(a.data, `"kind":"broadcast"`) {
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
		return arrival{}, errors.New("no event for a minute")
	}
}

// String is a section of the report.
func (s streams) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, `
## Open streams

%d streams of %d users take the gateway from %.0f MB to %.0f MB (resident), and to %.0f MB after an event on
each of them; the target is 300 MB. Time from the response to the event on the stream, with all of them open:

| what | p50 | p99 |
|---|---|---|
`, openStreams, openStreams/perUser, s.before, s.open, s.after)
	for _, r := range []struct {
		name  string
		waits []time.Duration
	}{{"a placed order", s.order}, {"a broadcast, on all of them", s.broadcast}} {
		slices.Sort(r.waits)
		p50, p99 := r.waits[len(r.waits)/2], r.waits[len(r.waits)*99/100]
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.name, latency(p50), latency(p99))
	}
	return b.String()
}
