// Package stream is the streams on which people see what is new in their inbox as it happens. A stream is only ever woken by an
// event; what it shows it reads from the inbox, after the number of what it showed last. So nothing is lost or doubled,
// whatever happens to events, to this replica, or to the connection.
package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// What can go wrong with a stream.
var (
	ErrTooMany     = fault.New(fault.Limited, "too_many_streams", "you have as many streams open as one person may; close one").WithRetryAfter(10)
	ErrLastEventID = fault.ErrInvalid.With("Last-Event-ID", "is not an id of this stream")
)

// perUser is how many streams one person may have open at one replica: some tabs, a telephone. Those whose reader has gone do not
// count.
const perUser = 8

const (
	writeTimeout       = 10 * time.Second // with a reader that takes nothing
	connectTimeout     = time.Minute      // is how long a stream takes at most from its place to its connection
	checkInterval      = 3 * time.Second  // how often a stream's session and its reader are looked at
	checksPerHeartbeat = 5                // checks for each heartbeat, so that proxies keep the connection
	pollInterval       = 90 * time.Second // and is looked at without being woken, in case an event went missing
	retryInterval      = time.Second      // after the inbox could not be read
)

// Entry is one message of an inbox, and its number there.
type Entry struct {
	Seq          int64           `json:"seq"`
	Notification json.RawMessage `json:"notification"`
}

// Updates is what came into an inbox after a number, at most 100 entries, and the number up to which that is all.
type Updates struct {
	Items []Entry `json:"items"`
	Seq   int64   `json:"seq"`
}

// Inbox reads what came after a place in somebody's inbox; after the zero Place there is nothing.
type Inbox func(ctx context.Context, owner shop.UserID, after Position) (Updates, error)

// Position is a place in an inbox: after a message, or after a number.
type Position struct {
	Message uuid.UUID
	Seq     *int64
}

// parsePosition reads a Last-Event-ID: the id of a message or, from a stream that has not shown one yet, a number.
func parsePosition(text string) (Position, error) {
	if text == "" {
		return Position{}, nil
	}
	if seq, err := strconv.ParseInt(text, 10, 64); err == nil && seq >= 0 {
		return Position{Seq: &seq}, nil
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return Position{}, ErrLastEventID
	}
	return Position{Message: id}, nil
}

// stream is one open connection.
type connection struct {
	owner       shop.UserID
	token       string
	requestedAt time.Time
	writer      *web.StreamWriter // nil before it has its connection; written and read under the lock of Streams
	seq         int64             // of what was shown last
	wake        chan struct{}     // has room for one: being woken twice is being woken once
	shutdown    <-chan struct{}
	beats       int
}

// errShutdown ends the streams of a replica that stops: clients come back to another one, or to the next life of this one.
var errShutdown = errors.New("this replica stops")

// run shows what is new until the connection, the session or this replica ends. It begins with what there was already.
func (s *Streams) run(st *connection, first Updates, to *web.StreamWriter) {
	defer s.remove(st)
	s.connected(st, to)
	err := st.show(first, to, fmt.Sprintf("retry: 1000\nid: %d\n\n", st.seq))
	beat, look := time.NewTicker(s.checkInterval), time.NewTimer(jitter(pollInterval))
	defer beat.Stop()
	defer look.Stop()
	for err == nil {
		select {
		case <-st.shutdown:
			err = errShutdown
		case <-beat.C:
			err = s.beat(st, to)
		case <-st.wake:
			look.Reset(s.catchUp(st, to, &err))
		case <-look.C:
			look.Reset(s.catchUp(st, to, &err))
		}
	}
	s.end(st, to, err)
}

// end counts why a stream ends. Who was slow is told, in a comment: it is no end of the session, and whoever comes back has all
// that is new from there on.
func (s *Streams) end(st *connection, to *web.StreamWriter, err error) {
	reason := "failed"
	switch {
	case errors.Is(err, errShutdown):
		reason = "stopping"
	case errors.Is(err, web.ErrSlowClient):
		reason = "slow"
		to.WriteFinal(": the stream ends: slow\n\n")
	case errors.Is(err, web.ErrDisconnected):
		reason = "gone"
	case fault.Of(err).Kind == fault.Unauthenticated:
		reason = "signed_out"
	}
	s.ended.Add(context.Background(), 1, metric.WithAttributes(attribute.String("reason", reason)))
	slog.Debug("stream ends", "user", st.owner, "reason", reason, "err", err)
}

// catchUp shows all that is new, and says when to look again.
func (s *Streams) catchUp(st *connection, to io.Writer, failed *error) (again time.Duration) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		news, err := s.inbox(ctx, st.owner, Position{Seq: &st.seq})
		cancel()
		if err != nil {
			return jitter(retryInterval)
		}
		if *failed = st.show(news, to, ""); *failed != nil || len(news.Items) < 100 {
			return jitter(pollInterval)
		}
	}
}

// show writes entries as events. It fails when the reader is gone or too slow.
func (st *connection) show(news Updates, to io.Writer, before string) error {
	var out strings.Builder
	out.WriteString(before)
	for _, e := range news.Items {
		if e.Seq <= st.seq {
			continue
		}
		var about struct {
			ID   uuid.UUID `json:"id"`
			Kind string    `json:"kind"`
		}
		if err := json.Unmarshal(e.Notification, &about); err != nil {
			return err
		}
		fmt.Fprintf(&out, "id: %s\nevent: %s\ndata: %s\n\n", about.ID, about.Kind, e.Notification)
		st.seq = e.Seq
	}
	if out.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(to, out.String())
	return err
}

// beat ends a stream whose reader has gone, or whose session or token has ended, and tells the others' proxies that they live.
func (s *Streams) beat(st *connection, to *web.StreamWriter) error {
	if to.Disconnected() {
		return web.ErrDisconnected
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := s.verify(ctx, st.token); fault.Of(err) != nil && fault.Of(err).Kind == fault.Unauthenticated {
		_, _ = io.WriteString(to, "event: stream.end\ndata: {\"reason\":\"signed_out\"}\n\n")
		return err
	}
	if st.beats++; st.beats%checksPerHeartbeat != 0 {
		return nil
	}
	_, err := io.WriteString(to, ": beat\n\n")
	return err
}

// jitter keeps streams that began together from asking together.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2)) //nolint:gosec // to spread, not to hide
}
