package stream

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

type inboxes struct {
	mu    sync.Mutex
	all   map[shop.UserID][]Entry
	ids   map[message]int64
	fails bool
}

// message is the id of a message of an inbox.
type message struct {
	owner shop.UserID
	id    uuid.UUID
}

func newInboxes() *inboxes {
	return &inboxes{all: map[shop.UserID][]Entry{}, ids: map[message]int64{}}
}

func (b *inboxes) add(owner shop.UserID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	seq, id := int64(len(b.all[owner])+1), uuid.New()
	b.ids[message{owner, id}] = seq
	b.all[owner] = append(b.all[owner], Entry{seq, json.RawMessage(fmt.Sprintf(`{"id":%q,"kind":"orders.paid","title":"number %d"}`, id, seq))})
}

func (b *inboxes) setFails(fails bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails = fails
}

func (b *inboxes) read(_ context.Context, owner shop.UserID, after Position) (Updates, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fails {
		return Updates{}, fault.ErrUnavailable
	}
	from, ok := b.ids[message{owner, after.Message}]
	switch {
	case after.Seq != nil:
		from = min(*after.Seq, int64(len(b.all[owner])))
	case !ok:
		from = int64(len(b.all[owner]))
	}
	rest := b.all[owner][from:]
	rest = rest[:min(100, len(rest))]
	return Updates{Items: rest, Seq: from + int64(len(rest))}, nil
}

func start(t testing.TB, verify web.Verify, inbox Inbox) (s *Streams, url string) {
	t.Helper()
	s = New(verify, inbox)
	s.checkInterval = 50 * time.Millisecond
	app := web.New("gateway", web.Config{Verify: verify})
	s.Routes(app)
	return s, "http://" + kittest.Serve(t, app)
}

type reader struct {
	lines  *bufio.Reader
	close  func()
	last   string // Last-Event-ID
	status int
	header http.Header
}

func open(t testing.TB, url string, caller shop.Caller, last string) *reader {
	t.Helper()
	return openWith(t, url, "", caller, last)
}

func openWith(t testing.TB, url, query string, caller shop.Caller, last string) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	timeout := time.AfterFunc(10*time.Second, cancel)
	defer timeout.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/notifications/stream"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if caller.Known() {
		token, err := kittest.Signer.Sign(caller, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return &reader{lines: bufio.NewReader(res.Body), close: func() { cancel(); _ = res.Body.Close() }, last: last, status: res.StatusCode, header: res.Header}
}

func (r *reader) next() (event, data string, err error) {
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return "", "", err
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name {
		case "id":
			r.last = value
		case "event":
			event = value
		case "data":
			data = value
		case "":
			if data != "" {
				return event, data, nil
			}
		}
	}
}

func (r *reader) title(t *testing.T) string {
	t.Helper()
	event, data, err := r.next()
	if err != nil || event != "orders.paid" {
		t.Fatalf("event %q, %v", event, err)
	}
	return kittest.Field[string](t, []byte(data), "title")
}
