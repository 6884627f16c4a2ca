package stream

import (
	"cmp"
	"context"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"sidecart/kit/event"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

// Streams are the open streams of this replica.
type Streams struct {
	verify        web.Verify
	inbox         Inbox
	shutdown      chan struct{}
	checkInterval time.Duration
	writeTimeout  time.Duration
	ended         metric.Int64Counter

	mu   sync.Mutex
	open map[shop.UserID]map[*connection]struct{}
}

// New makes Streams. verify checks the session of each stream every few seconds.
func New(verify web.Verify, inbox Inbox) *Streams {
	s := &Streams{verify: verify, inbox: inbox, shutdown: make(chan struct{}), checkInterval: checkInterval, writeTimeout: writeTimeout, open: map[shop.UserID]map[*connection]struct{}{}}
	s.ended, _ = otel.Meter("sidecart/apps/gateway/stream").Int64Counter("gateway.streams.ended") // fails only for an invalid name
	return s
}

// Routes adds the stream to an app.
func (s *Streams) Routes(app *web.App) {
	web.Handle(app, "GET /api/v1/notifications/stream", shop.SignedIn, s.handleStream, web.NoStore,
		web.Fails(ErrTooMany), web.Produces("text/event-stream"),
		web.Doc("streamNotifications", "notifications", "Stream notifications"),
		web.Describe("Server-sent events: each notification and each change of an order as it happens. Send "+
			"Last-Event-ID, or lastEventId in the query, to resume after an interruption."))
}

// StreamRequest is the input of the stream. Many EventSource libraries send the id in the query when they reconnect,
// which needs no preflight request.
type StreamRequest struct {
	LastEventID   string `header:"Last-Event-ID" doc:"id of the last event received, to resume after it. With any other text the stream begins at the end."`
	FromQuery     string `query:"lastEventId" empty:"true" doc:"The same, for clients that cannot set the header: it is read unless the header is sent."`
	Authorization string `header:"Authorization"`
}

// handleStream reads the inbox before it starts the stream, so that an error has a status of its own.
func (s *Streams) handleStream(ctx context.Context, caller shop.Caller, in StreamRequest) (web.Stream, error) {
	_, token, _ := strings.Cut(in.Authorization, " ")
	st := &connection{owner: caller.ID, token: token, requestedAt: time.Now(), wake: make(chan struct{}, 1), shutdown: s.shutdown}
	if err := s.add(st); err != nil { // before reading, so that no event in between is lost
		return web.Stream{}, err
	}
	first, err := s.inbox(ctx, caller.ID, parsePosition(cmp.Or(in.LastEventID, in.FromQuery)))
	if err != nil {
		s.remove(st)
		return web.Stream{}, err
	}
	st.seq = first.Seq
	if len(first.Items) > 0 {
		st.seq = first.Items[0].Seq - 1
	}
	if len(first.Items) == 100 {
		st.signal() // there may be more messages
	}
	return web.Stream{ContentType: "text/event-stream", WriteTimeout: s.writeTimeout, Run: func(to *web.StreamWriter) { s.run(st, first, to) }}, nil
}

// add registers a stream. If the user has perUser streams, disconnected ones are removed first: a page that is reloaded
// is back before its old stream ends. It fails with ErrTooMany.
func (s *Streams) add(st *connection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	streams := s.open[st.owner]
	if len(streams) >= perUser {
		maps.DeleteFunc(streams, func(old *connection, _ struct{}) bool { return old.disconnected() })
	}
	if len(streams) >= perUser {
		return ErrTooMany
	}
	if streams == nil {
		streams = map[*connection]struct{}{}
		s.open[st.owner] = streams
	}
	streams[st] = struct{}{}
	return nil
}

// disconnected reports whether the client has disconnected, or the stream has never started.
func (st *connection) disconnected() bool {
	if st.writer == nil {
		return time.Since(st.requestedAt) > connectTimeout
	}
	return st.writer.Disconnected()
}

func (s *Streams) connected(st *connection, writer *web.StreamWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.writer = writer
}

func (s *Streams) remove(st *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open[st.owner], st)
	if len(s.open[st.owner]) == 0 {
		delete(s.open, st.owner)
	}
}

// Wake makes a user's streams read the inbox.
func (s *Streams) Wake(owner shop.UserID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for st := range s.open[owner] {
		st.signal()
	}
}

// wakeAll wakes all streams, after a time in which events may have been lost.
func (s *Streams) wakeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, streams := range s.open {
		for st := range streams {
			st.signal()
		}
	}
}

func (st *connection) signal() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// Follow wakes streams at each notifications.created until ctx ends; then all streams end.
func (s *Streams) Follow(ctx context.Context, listen event.Subscribe) error {
	defer close(s.shutdown)
	return event.SubscribeAll(ctx, listen, s.wakeAll, func(e shop.NotificationCreated) { s.Wake(e.UserID) })
}

var (
	feedAfter = sidecar.Endpoint{App: "notifications", Method: "GET", Path: "/feeds/{owner}?after={message}"}
	feedFrom  = sidecar.Endpoint{App: "notifications", Method: "GET", Path: "/feeds/{owner}?seq={number}"}
)

// NewInbox returns an Inbox that invokes the notifications service.
func NewInbox(invoke sidecar.Invoke) Inbox {
	return func(ctx context.Context, owner shop.UserID, after Position) (updates Updates, err error) {
		feed := feedAfter.With(owner.String(), after.Message.String())
		if after.Seq != nil {
			feed = feedFrom.With(owner.String(), strconv.FormatInt(*after.Seq, 10))
		}
		err = invoke(ctx, feed, nil, &updates)
		return updates, err
	}
}
