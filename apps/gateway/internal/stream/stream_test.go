package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// inboxes is a fake of the notifications service.
// start serves streams on a port of its own. The broadcast is the test's to make.
// reader is a browser's EventSource.
// next is the next event's name and data.
func TestStream(t *testing.T) {
	t.Parallel()
	inbox := newInboxes()
	streams, url := start(t, kittest.Verify, inbox.read)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	inbox.add(alice.ID) // before: not sent to a stream that does not resume
	r := open(t, url, alice, "")
	if r.status != http.StatusOK || r.header.Get("Content-Type") != "text/event-stream" || r.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", r.status, r.header)
	}
	inbox.add(bob.ID)
	streams.Wake(bob.ID)
	inbox.add(alice.ID)
	streams.Wake(alice.ID)
	streams.Wake(alice.ID)
	if got := r.title(t); got != "number 2" {
		t.Errorf("%q", got)
	}
	r.close()
	inbox.add(alice.ID) // while no stream is open
	inbox.add(alice.ID)
	again := open(t, url, alice, r.last)
	for _, want := range []string{"number 3", "number 4"} {
		if got := again.title(t); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	inbox.setFails(true)
	inbox.add(alice.ID)
	streams.Wake(alice.ID)
	if refused := open(t, url, alice, ""); refused.status != 503 {
		t.Errorf("an inbox that cannot be read: %d", refused.status)
	}
	inbox.setFails(false)
	if got := again.title(t); got != "number 5" {
		t.Errorf("after the inbox was unavailable: %q", got)
	}
	if res := open(t, url, shop.Caller{}, ""); res.status != 401 {
		t.Errorf("no token: %d", res.status)
	}
}

// TestLastEventIDs: after the end is the end, and an id of no message of this inbox means the end, too.
func TestLastEventIDs(t *testing.T) {
	t.Parallel()
	inbox := newInboxes()
	streams, url := start(t, kittest.Verify, inbox.read)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	inbox.add(bob.ID)
	var foreign string
	for message := range inbox.ids {
		foreign = message.id.String()
	}
	for _, last := range []string{
		"999999999", "9223372036854775807", "9223372036854775808", strings.Repeat("1", 70), "the end", "nonsense", "-1", " ", "1.5", "caf\xe9", "\u7ea2",
		uuid.NewString(), uuid.Nil.String(), foreign,
	} {
		inbox.add(alice.ID)
		if last == "the end" {
			last = fmt.Sprint(len(inbox.all[alice.ID]))
		}
		r := open(t, url, alice, last)
		if r.status != http.StatusOK {
			t.Errorf("Last-Event-ID %q: %d", last, r.status)
			continue
		}
		inbox.add(alice.ID)
		streams.Wake(alice.ID)
		if got, want := r.title(t), fmt.Sprint("number ", len(inbox.all[alice.ID])); got != want {
			t.Errorf("Last-Event-ID %q: %q, want %q", last, got, want)
		}
		r.close()
	}
}

// TestNothingIsLostOrDoubled: messages arrive while a reader's connection breaks repeatedly.
func TestNothingIsLostOrDoubled(t *testing.T) {
	t.Parallel()
	inbox := newInboxes()
	streams, url := start(t, kittest.Verify, inbox.read)
	alice := kittest.NewCaller(shop.User)
	const messages = 600
	r := open(t, url, alice, "0")
	go func() {
		for range messages {
			inbox.add(alice.ID)
			streams.Wake(alice.ID)
		}
	}()
	for n := 1; n <= messages; n++ {
		if got, want := r.title(t), fmt.Sprintf("number %d", n); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
		if n%37 == 0 {
			r.close()
			last := r.last
			kittest.Eventually(t, 10*time.Second, func() error { // until those that were closed count no more
				if r = open(t, url, alice, last); r.status != http.StatusOK {
					return fmt.Errorf("status %d", r.status)
				}
				return nil
			})
		}
	}
}

// TestWokenWhileReadingItsFirstPage: the stream is already woken when its first page is not the last one.
func TestWokenWhileReadingItsFirstPage(t *testing.T) {
	t.Parallel()
	inbox := newInboxes()
	alice := kittest.NewCaller(shop.User)
	const messages = 150
	for range messages {
		inbox.add(alice.ID)
	}
	var streams *Streams
	streams, url := start(t, kittest.Verify, func(ctx context.Context, owner shop.UserID, after Position) (Updates, error) {
		defer streams.Wake(owner)
		return inbox.read(ctx, owner, after)
	})
	r := open(t, url, alice, "0")
	for n := 1; n <= messages; n++ {
		if got, want := r.title(t), fmt.Sprintf("number %d", n); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}

func TestStreamsPerUser(t *testing.T) {
	t.Parallel()
	_, url := start(t, kittest.Verify, newInboxes().read)
	alice := kittest.NewCaller(shop.User)
	for range perUser {
		r := open(t, url, alice, "")
		if r.status != http.StatusOK {
			t.Fatal(r.status)
		}
	}
	if res := open(t, url, alice, ""); res.status != 429 || res.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d", res.status)
	}
	if res := open(t, url, kittest.NewCaller(shop.User), ""); res.status != 200 {
		t.Errorf("another user: %d", res.status)
	}
}

// TestAStreamEndsWithItsSession with an event for that, after which a page does not reconnect.
func TestAStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	ended := false
	verify := func(ctx context.Context, token string) (shop.Caller, error) {
		mu.Lock()
		defer mu.Unlock()
		if ended {
			return shop.Caller{}, fault.New(fault.Unauthenticated, "session_ended", "the session has ended")
		}
		return kittest.Verify(ctx, token)
	}
	_, url := start(t, verify, newInboxes().read)
	r := open(t, url, kittest.NewCaller(shop.User), "")
	mu.Lock()
	ended = true
	mu.Unlock()
	if event, data, err := r.next(); err != nil || event != "stream.end" || data != `{"reason":"signed_out"}` {
		t.Errorf("%s %s %v", event, data, err)
	}
	if _, _, err := r.next(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection did not end: %v", err)
	}
}

// TestTheBroadcast wakes streams, also after it was unavailable, and its end ends them.
func TestTheBroadcast(t *testing.T) {
	t.Parallel()
	inbox := newInboxes()
	streams, url := start(t, kittest.Verify, inbox.read)
	alice := kittest.NewCaller(shop.User)
	subscribed := make(chan func(again func(), got func([]byte)))
	ctx, stop := context.WithCancel(t.Context())
	var follow sync.WaitGroup
	follow.Go(func() {
		_ = streams.Follow(ctx, func(ctx context.Context, topic string, again func(), got func([]byte)) error {
			if topic != "notifications.created" {
				t.Errorf("subscribes to %s", topic)
			}
			for {
				select {
				case <-ctx.Done():
					return nil
				case fn := <-subscribed:
					fn(again, got)
				}
			}
		})
	})
	r := open(t, url, alice, "")
	inbox.add(alice.ID)
	subscribed <- func(_ func(), got func([]byte)) {
		got([]byte(`nonsense`))
		got([]byte(`{"user_id":"` + alice.ID.String() + `","seq":1}`))
	}
	if got := r.title(t); got != "number 1" {
		t.Error(got)
	}
	inbox.add(alice.ID)
	subscribed <- func(again func(), _ func([]byte)) { again() }
	if got := r.title(t); got != "number 2" {
		t.Error(got)
	}
	stop()
	follow.Wait()
	if _, _, err := r.next(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream did not end: %v", err)
	}
}

// BenchmarkStreams measures the memory of an open stream, both its ends together, and the time to wake it.
//
//	go test -run - -bench Streams ./apps/gateway/internal/stream
func BenchmarkStreams(b *testing.B) {
	const streams = 5000
	inbox := newInboxes()
	s, url := start(b, kittest.Verify, inbox.read)
	s.checkInterval = checkInterval
	addr := strings.TrimPrefix(url, "http://")
	before := memory()
	var ends []net.Conn
	var owners []shop.Caller
	for range streams {
		owner := kittest.NewCaller(shop.User)
		token, err := kittest.Signer.Sign(owner, time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "GET /api/v1/notifications/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", token); err != nil {
			b.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1000)); err != nil {
			b.Fatal(err)
		}
		ends, owners = append(ends, conn), append(owners, owner)
	}
	grown := memory() - before
	n := 0
	buffer := make([]byte, 1000)
	for b.Loop() {
		i := n % streams
		inbox.add(owners[i].ID)
		s.Wake(owners[i].ID)
		for text := ""; !strings.Contains(text, "data:"); {
			got, err := ends[i].Read(buffer)
			if err != nil {
				b.Fatal(err)
			}
			text += string(buffer[:got])
		}
		n++
	}
	b.ReportMetric(float64(grown)/1e6, "MB/5000streams")
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}
