// Package stream serves server-sent events: each user's new messages as they arrive. An event only wakes a connection,
// which then reads the inbox after the sequence number of the last message it wrote. So no message is lost or repeated,
// whatever happens to events, to this replica or to the connection.
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

// ErrTooMany refuses a stream of a user with perUser open ones.
var ErrTooMany = fault.New(fault.Limited, "too_many_streams", "you have too many open streams; close one").WithRetryAfter(10)

// perUser is how many streams one user may have open at one replica. Disconnected ones do not count.
const perUser = 8

const (
	writeTimeout       = 10 * time.Second // of each write to a client
	connectTimeout     = time.Minute      // from the request to the start of the stream
	checkInterval      = 3 * time.Second  // between checks of the session and the connection
	checksPerHeartbeat = 5                // a heartbeat keeps proxies from closing the connection
	pollInterval       = 90 * time.Second // between reads of the inbox without an event, in case one was lost
	retryInterval      = time.Second      // after a failed read of the inbox
)

// Entry is one message of an inbox with its sequence number.
type Entry struct {
	Seq          int64           `json:"seq"`
	Notification json.RawMessage `json:"notification"`
}

// Updates are at most 100 entries of an inbox after a position, and the sequence number up to which they are complete.
type Updates struct {
	Items []Entry `json:"items"`
	Seq   int64   `json:"seq"`
}

// Inbox reads the messages after a position in a user's inbox; none after the zero Position.
type Inbox func(ctx context.Context, owner shop.UserID, after Position) (Updates, error)

// Position is a position in an inbox: after a message, or after a sequence number.
type Position struct {
	Message uuid.UUID
	Seq     *int64
}

// parsePosition parses a Last-Event-ID: the id of a message or, from a stream without messages, a sequence number. Any
// other text is the zero Position, the end, like the id of an unknown message: browsers repeat the id by themselves and
// would never reconnect after a refusal.
func parsePosition(text string) Position {
	if seq, err := strconv.ParseInt(text, 10, 64); err == nil && seq >= 0 {
		return Position{Seq: &seq}
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return Position{}
	}
	return Position{Message: id}
}

// connection is one open stream.
type connection struct {
	owner       shop.UserID
	token       string
	requestedAt time.Time
	writer      *web.StreamWriter // nil before the stream starts; guarded by the lock of Streams
	seq         int64             // of the last written message
	wake        chan struct{}     // holds at most one signal
	shutdown    <-chan struct{}
	beats       int
}

// errShutdown ends the streams when this replica stops; clients reconnect.
var errShutdown = errors.New("this replica stops")

// run writes new messages until the connection, the session or this replica ends.
func (s *Streams) run(st *connection, first Updates, to *web.StreamWriter) {
	defer s.remove(st)
	s.connected(st, to)
	err := st.write(first, to, fmt.Sprintf("retry: 1000\nid: %d\n\n", st.seq))
	beat, poll := time.NewTicker(s.checkInterval), time.NewTimer(jitter(pollInterval))
	defer beat.Stop()
	defer poll.Stop()
	for err == nil {
		select {
		case <-st.shutdown:
			err = errShutdown
		case <-beat.C:
			err = s.beat(st, to)
		case <-st.wake:
			poll.Reset(s.catchUp(st, to, &err))
		case <-poll.C:
			poll.Reset(s.catchUp(st, to, &err))
		}
	}
	s.end(st, to, err)
}

// end counts why a stream ends. A slow client gets the reason as a comment: it may reconnect and resume.
func (s *Streams) end(st *connection, to *web.StreamWriter, err error) {
	reason := "failed"
	switch {
	case errors.Is(err, errShutdown):
		reason = "stopping"
	case errors.Is(err, web.ErrSlowClient):
		reason = "slow"
		to.WriteFinal(": the stream ends: slow\n\n")
	case errors.Is(err, web.ErrDisconnected):
		reason = "disconnected"
	case fault.Of(err).Kind == fault.Unauthenticated:
		reason = "signed_out"
	}
	s.ended.Add(context.Background(), 1, metric.WithAttributes(attribute.String("reason", reason)))
	slog.Debug("stream ends", "user", st.owner, "reason", reason, "err", err)
}

// catchUp writes all new messages, and returns when to read the inbox again.
func (s *Streams) catchUp(st *connection, to io.Writer, failed *error) (again time.Duration) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		updates, err := s.inbox(ctx, st.owner, Position{Seq: &st.seq})
		cancel()
		if err != nil {
			return jitter(retryInterval)
		}
		if *failed = st.write(updates, to, ""); *failed != nil || len(updates.Items) < 100 {
			return jitter(pollInterval)
		}
	}
}

// write writes entries as events. It fails if the client has disconnected or is too slow.
func (st *connection) write(updates Updates, to io.Writer, before string) error {
	var out strings.Builder
	out.WriteString(before)
	for _, e := range updates.Items {
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

// beat fails if the client has disconnected or the session or token has ended, and writes heartbeats.
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

// jitter spreads the reads of streams that started together.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2)) //nolint:gosec // jitter, no secret
}
