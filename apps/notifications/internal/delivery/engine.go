package delivery

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/postgres"
)

// Letter is what a provider gets.
type Letter struct {
	ID          ID        // the same at each attempt
	MailID      uuid.UUID // the same for each attempt to tell the same; of a digest, the same for the same news
	To          string    // an address or a number; devices are looked up by whoever sends to them
	Delivery    Delivery
	Title       string
	Body        string
	HTML        string
	Link        string
	Unsubscribe string // leads a person to where this kind ends; empty where there is nothing to end
	OneClick    string // ends it with one POST
	Unwanted    []ID   // of a digest, what is not in it because its reader does not want it any more
}

// Send hands a letter to a provider and returns its answer once it has said yes. It fails with ErrRefused, ErrPutOff,
// ErrAbsent or ErrNeedless where there was an answer, and with anything else where nobody knows.
type Send func(ctx context.Context, l Letter) (answer string, err error)

// Provider is one way out.
type Provider struct {
	Name      string
	Send      Send
	AtOnce    int     // deliveries worked on at the same time, in each replica
	PerSecond float64 // at most, in each replica
}

// Compose makes the letter of a delivery, or of several that go out as one. It fails with ErrNeedless, as Send does, or with held.
type Compose func(ctx context.Context, all []Delivery) (Letter, error)

// Engine sends what is due.
type Engine struct {
	db        *pgxpool.Pool
	compose   Compose
	providers map[kind.Channel]*provider
}

type provider struct {
	Provider
	breaker *gobreaker.TwoStepCircuitBreaker[any]
	limiter *rate.Limiter
	slots   chan struct{}
	freed   chan struct{} // has something in it when a slot became free
	away    atomic.Int64  // when the database was last not reached, in milliseconds since 1970
}

// NewEngine sends through a provider for each channel.
func NewEngine(db *pgxpool.Pool, compose Compose, providers map[kind.Channel]Provider) *Engine {
	e := &Engine{db: db, compose: compose, providers: map[kind.Channel]*provider{}}
	for channel, p := range providers {
		e.providers[channel] = &provider{
			Provider: p, limiter: rate.NewLimiter(rate.Limit(p.PerSecond), max(1, p.AtOnce)), slots: make(chan struct{}, max(1, p.AtOnce)), freed: make(chan struct{}, 1),
			breaker: gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
				Name: p.Name, MaxRequests: 1, Timeout: openFor,
				ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= silencesToOpen },
				IsSuccessful: func(err error) bool { return !silent(err) && !errors.Is(err, ErrOfUs) },
				OnStateChange: func(name string, from, to gobreaker.State) {
					slog.Warn("breaker", "provider", name, "from", from.String(), "to", to.String())
				},
			}),
		}
	}
	return e
}

const (
	silencesToOpen = 3 // in a row
	openFor        = 2 * time.Second
	poll           = 250 * time.Millisecond // how soon what is due is seen
	digestSize     = 50                     // deliveries in one digest
	inARow         = 20                     // deliveries of one line by one worker, before others have their turn
	keepTries      = 5                      // to keep what came of a delivery, in a database that is there or a process that ends
	returning      = 10 * time.Second       // longer than a try to keep and the pause after it, for which who could not reach the database leaves leases alone that ended meanwhile
)

func silent(err error) bool {
	var h held
	return err != nil && !errors.As(err, &h) &&
		!errors.Is(err, ErrRefused) && !errors.Is(err, ErrPutOff) && !errors.Is(err, ErrAbsent) && !errors.Is(err, ErrNeedless)
}

// Work sends until ctx ends, and returns when what was being sent then has come to its end.
func (e *Engine) Work(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for channel, p := range e.providers {
		g.Go(func() error { e.work(ctx, channel, p); return nil })
	}
	return g.Wait()
}

func (e *Engine) work(ctx context.Context, channel kind.Channel, p *provider) {
	var sending sync.WaitGroup
	defer sending.Wait()
	for ctx.Err() == nil {
		batches, err := e.take(ctx, channel, p)
		if err != nil && ctx.Err() == nil {
			p.gone()
			slog.WarnContext(ctx, "deliveries wait", "channel", channel, "err", err)
		}
		for _, b := range batches {
			p.slots <- struct{}{}
			sending.Go(func() {
				defer p.free()
				e.deliver(ctx, p, b.deliveries)
				for n := 1; b.more && n < inARow && ctx.Err() == nil; n++ {
					if b = e.next(ctx, p, b); len(b.deliveries) > 0 {
						e.deliver(ctx, p, b.deliveries)
					}
				}
			})
		}
		if len(batches) == 0 {
			select {
			case <-ctx.Done():
			case <-p.freed:
			case <-time.After(poll):
			}
		}
	}
}

func (p *provider) free() {
	<-p.slots
	select {
	case p.freed <- struct{}{}:
	default:
	}
}

// batch is what goes out as one.
type batch struct {
	deliveries []Delivery
	more       bool // others wait behind it
}

// next claims what comes after a batch in its line, if that has ended and the provider answers.
func (e *Engine) next(ctx context.Context, p *provider, last batch) (b batch) {
	d := last.deliveries[0]
	if d.Lane == Digest || p.breaker.State() != gobreaker.StateClosed {
		return batch{}
	}
	err := pgx.BeginFunc(ctx, e.db, func(tx pgx.Tx) error {
		if err := byIndex(ctx, tx); err != nil {
			return err
		}
		taken, err := claimNext(ctx, tx, d)
		if err == nil && len(taken) > 0 {
			b = batch{[]Delivery{taken[0].Delivery}, taken[0].More}
		}
		return err
	})
	if err != nil { // it waits for a claim, or for the end of its lease
		slog.WarnContext(ctx, "deliveries wait", "channel", d.Channel, "err", err)
		return batch{}
	}
	return b
}

// take claims as much as can be worked on now: nothing while the provider is silent, one to find out whether it still is. After the
// database was away, whoever has something to keep there goes first: their leases ended, and they are not dead.
func (e *Engine) take(ctx context.Context, channel kind.Channel, p *provider) (batches []batch, err error) {
	most := cap(p.slots) - len(p.slots)
	switch p.breaker.State() {
	case gobreaker.StateOpen:
		return nil, nil
	case gobreaker.StateHalfOpen:
		most = min(most, 1)
	case gobreaker.StateClosed:
	}
	if most == 0 {
		return nil, nil
	}
	left := time.Since(time.UnixMilli(p.away.Load())) > returning
	err = pgx.BeginFunc(ctx, e.db, func(tx pgx.Tx) error {
		batches = nil
		if err := byIndex(ctx, tx); err != nil {
			return err
		}
		taken, err := claim(ctx, tx, channel, most, left)
		if err != nil {
			return err
		}
		lost := &pgx.Batch{}
		for _, c := range taken {
			all := []claimed{c}
			if c.Lane == Digest {
				others, err := claimLane(ctx, tx, c.Delivery, digestSize-1, left)
				if err != nil {
					return err
				}
				all = append(all, others...)
				slices.SortFunc(all, func(a, b claimed) int { return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:]) })
			}
			b := batch{more: c.More}
			for _, c := range all {
				if c.Interrupted {
					queueAttempt(lost, attempt{DeliveryID: c.ID, Number: c.Attempts - 1, Outcome: unknown, Provider: p.Name,
						Answer: "whoever sent it stopped before the answer"})
				}
				b.deliveries = append(b.deliveries, c.Delivery)
			}
			batches = append(batches, b)
		}
		return tx.SendBatch(ctx, lost).Close()
	})
	return batches, err
}

// gone notes that the database is not reached.
func (p *provider) gone() { p.away.Store(time.Now().UnixMilli()) }

// deliver tries once, and keeps what came of it, for as long as the database is away and the process lives. Between the provider's
// yes and the end of keeping lies the one moment in which a crash makes somebody get a message twice.
func (e *Engine) deliver(working context.Context, p *provider, batch []Delivery) {
	ctx := context.WithoutCancel(working)
	attempted, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t := e.try(attempted, p, batch)
	for n, last := 0, 0; last < keepTries; n++ {
		kept, cancel := context.WithTimeout(ctx, 5*time.Second)
		failed := e.keep(kept, p, batch, t)
		cancel()
		if failed == nil {
			return
		}
		slog.ErrorContext(ctx, "what came of a delivery could not be kept", "delivery", batch[0].ID, "err", failed)
		if postgres.IsUnavailable(failed) {
			p.gone()
		}
		if working.Err() != nil || !postgres.IsUnavailable(failed) {
			last++
		}
		time.Sleep(min(firstPause/20<<min(n, 10), firstPause))
	}
}

// tried is what came of an attempt.
type tried struct {
	letter Letter
	answer string
	took   time.Duration
	err    error
}

func (e *Engine) try(ctx context.Context, p *provider, batch []Delivery) (t tried) {
	if t.letter, t.err = e.compose(ctx, batch); t.err != nil {
		if silent(t.err) && !errors.Is(t.err, errUnprepared) {
			t.err = errors.Join(errUnprepared, t.err)
		}
		return t
	}
	if t.err = p.limiter.Wait(ctx); t.err != nil {
		return t
	}
	leave, err := p.breaker.Allow()
	if err != nil {
		t.err = errors.Join(errUnprepared, err)
		return t
	}
	began := time.Now()
	t.answer, t.err = p.Send(ctx, t.letter)
	leave(t.err)
	t.took = time.Since(began)
	return t
}

// keep judges each delivery of a batch. What went out as one and has to again comes back as one: after the same pause.
func (e *Engine) keep(ctx context.Context, p *provider, batch []Delivery, t tried) error {
	return pgx.BeginFunc(ctx, e.db, func(tx pgx.Tx) error {
		var again time.Duration
		for _, d := range batch {
			err := t.err
			if slices.Contains(t.letter.Unwanted, d.ID) {
				err = errUnwanted
			}
			v := judge(d, err, time.Now())
			v.with = t.letter.ID
			if v.again > 0 {
				again = cmp.Or(again, v.again)
				v.again = again
			}
			if err := keepOne(ctx, tx, p, d, v, t); err != nil {
				return err
			}
		}
		return nil
	})
}

func keepOne(ctx context.Context, tx pgx.Tx, p *provider, d Delivery, v verdict, t tried) error {
	if !v.until.IsZero() {
		return hold(ctx, tx, d, v.until)
	}
	v.reason = shorten(v.reason)
	answer := cmp.Or(v.reason, shorten(t.answer))
	a := attempt{DeliveryID: d.ID, Number: d.Attempts, Outcome: v.outcome, Provider: p.Name, Answer: answer, LatencyMS: t.took.Milliseconds()}
	if holds, err := finish(ctx, tx, d, v, a); err != nil || !holds {
		return err
	}
	if d.Channel == kind.Push && (v.state == Dead || v.state == Skipped) {
		return fallBack(ctx, tx, d)
	}
	return nil
}
