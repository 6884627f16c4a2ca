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

// Message is what a provider gets.
type Message struct {
	ID          ID        // the same at each attempt
	MessageID   uuid.UUID // the same for each attempt to tell the same; of a digest, the same for the same news
	To          string    // an address or a number; devices are looked up by whoever sends to them
	Job         Job
	Title       string
	Body        string
	HTML        string
	Link        string
	Unsubscribe string // leads a person to where this kind ends; empty where there is nothing to end
	OneClick    string // ends it with one POST
	OptedOut    []ID   // of a digest, what is not in it because its reader does not want it any more
}

// Send hands a letter to a provider and returns its answer once it has said yes. It fails with ErrRefused, ErrPutOff,
// ErrAbsent or ErrNeedless where there was an answer, and with anything else where nobody knows.
type Send func(ctx context.Context, l Message) (answer string, err error)

// Provider is one way out.
type Provider struct {
	Name        string
	Send        Send
	Concurrency int     // deliveries worked on at the same time, in each replica
	PerSecond   float64 // at most, in each replica
}

// Render makes the letter of a delivery, or of several that go out as one. It fails with ErrNeedless, as Send does, or with held.
type Render func(ctx context.Context, all []Job) (Message, error)

// Worker sends what is due.
type Worker struct {
	db        *pgxpool.Pool
	render    Render
	providers map[kind.Channel]*provider
}

type provider struct {
	Provider
	breaker          *gobreaker.TwoStepCircuitBreaker[any]
	limiter          *rate.Limiter
	slots            chan struct{}
	slotFreed        chan struct{} // has something in it when a slot became free
	databaseFailedAt atomic.Int64  // when the database was last not reached, in milliseconds since 1970
}

// NewWorker sends through a provider for each channel.
func NewWorker(db *pgxpool.Pool, compose Render, providers map[kind.Channel]Provider) *Worker {
	e := &Worker{db: db, render: compose, providers: map[kind.Channel]*provider{}}
	for channel, p := range providers {
		e.providers[channel] = &provider{
			Provider: p, limiter: rate.NewLimiter(rate.Limit(p.PerSecond), max(1, p.Concurrency)), slots: make(chan struct{}, max(1, p.Concurrency)), slotFreed: make(chan struct{}, 1),
			breaker: gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
				Name: p.Name, MaxRequests: 1, Timeout: openTimeout,
				ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresToOpen },
				IsSuccessful: func(err error) bool { return !unanswered(err) && !errors.Is(err, ErrSenderRejected) },
				OnStateChange: func(name string, from, to gobreaker.State) {
					slog.Warn("breaker", "provider", name, "from", from.String(), "to", to.String())
				},
			}),
		}
	}
	return e
}

const (
	failuresToOpen = 3 // in a row
	openTimeout    = 2 * time.Second
	pollInterval   = 250 * time.Millisecond // how soon what is due is seen
	digestSize     = 50                     // deliveries in one digest
	maxPerTurn     = 20                     // deliveries of one line by one worker, before others have their turn
	recordTries    = 5                      // to keep what came of a delivery, in a database that is there or a process that ends
	outageGrace    = 10 * time.Second       // longer than a try to keep and the pause after it, for which who could not reach the database leaves leases alone that ended meanwhile
)

func unanswered(err error) bool {
	var h deferred
	return err != nil && !errors.As(err, &h) &&
		!errors.Is(err, ErrRefused) && !errors.Is(err, ErrTemporary) && !errors.Is(err, ErrNotConfigured) && !errors.Is(err, ErrObsolete)
}

// Run sends until ctx ends, and returns when what was being sent then has come to its end.
func (e *Worker) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for channel, p := range e.providers {
		g.Go(func() error { e.runChannel(ctx, channel, p); return nil })
	}
	return g.Wait()
}

func (e *Worker) runChannel(ctx context.Context, channel kind.Channel, p *provider) {
	var sending sync.WaitGroup
	defer sending.Wait()
	for ctx.Err() == nil {
		batches, err := e.claimBatches(ctx, channel, p)
		if err != nil && ctx.Err() == nil {
			p.noteDatabaseFailure()
			slog.WarnContext(ctx, "deliveries wait", "channel", channel, "err", err)
		}
		for _, b := range batches {
			p.slots <- struct{}{}
			sending.Go(func() {
				defer p.freeSlot()
				e.deliver(ctx, p, b.jobs)
				for n := 1; b.more && n < maxPerTurn && ctx.Err() == nil; n++ {
					if b = e.claimNextBatch(ctx, p, b); len(b.jobs) > 0 {
						e.deliver(ctx, p, b.jobs)
					}
				}
			})
		}
		if len(batches) == 0 {
			select {
			case <-ctx.Done():
			case <-p.slotFreed:
			case <-time.After(pollInterval):
			}
		}
	}
}

func (p *provider) freeSlot() {
	<-p.slots
	select {
	case p.slotFreed <- struct{}{}:
	default:
	}
}

// batch is what goes out as one.
type batch struct {
	jobs []Job
	more bool // others wait behind it
}

// claimNextBatch claims what comes after a batch in its line, if that has ended and the provider answers.
func (e *Worker) claimNextBatch(ctx context.Context, p *provider, last batch) (b batch) {
	d := last.jobs[0]
	if d.Priority == Digest || p.breaker.State() != gobreaker.StateClosed {
		return batch{}
	}
	err := pgx.BeginFunc(ctx, e.db, func(tx pgx.Tx) error {
		if err := forceIndexScans(ctx, tx); err != nil {
			return err
		}
		taken, err := claimNext(ctx, tx, d)
		if err == nil && len(taken) > 0 {
			b = batch{[]Job{taken[0].Job}, taken[0].More}
		}
		return err
	})
	if err != nil { // it waits for a claim, or for the end of its lease
		slog.WarnContext(ctx, "deliveries wait", "channel", d.Channel, "err", err)
		return batch{}
	}
	return b
}

// claimBatches claims as much as can be worked on now: nothing while the provider is silent, one to find out whether it still is. After the
// database was away, whoever has something to keep there goes first: their leases ended, and they are not dead.
func (e *Worker) claimBatches(ctx context.Context, channel kind.Channel, p *provider) (batches []batch, err error) {
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
	left := time.Since(time.UnixMilli(p.databaseFailedAt.Load())) > outageGrace
	err = pgx.BeginFunc(ctx, e.db, func(tx pgx.Tx) error {
		batches = nil
		if err := forceIndexScans(ctx, tx); err != nil {
			return err
		}
		taken, err := claim(ctx, tx, channel, most, left)
		if err != nil {
			return err
		}
		lost := &pgx.Batch{}
		for _, c := range taken {
			all := []claimedJob{c}
			if c.Priority == Digest {
				others, err := claimDigest(ctx, tx, c.Job, digestSize-1, left)
				if err != nil {
					return err
				}
				all = append(all, others...)
				slices.SortFunc(all, func(a, b claimedJob) int { return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:]) })
			}
			b := batch{more: c.More}
			for _, c := range all {
				if c.Interrupted {
					queueAttempt(lost, attemptRow{DeliveryID: c.ID, Number: c.Attempts - 1, Outcome: outcomeUnknown, Provider: p.Name,
						Answer: "whoever sent it stopped before the answer"})
				}
				b.jobs = append(b.jobs, c.Job)
			}
			batches = append(batches, b)
		}
		return tx.SendBatch(ctx, lost).Close()
	})
	return batches, err
}

// noteDatabaseFailure notes that the database is not reached.
func (p *provider) noteDatabaseFailure() { p.databaseFailedAt.Store(time.Now().UnixMilli()) }

// deliver tries once, and keeps what came of it, for as long as the database is away and the process lives. Between the provider's
// yes and the end of keeping lies the one moment in which a crash makes somebody get a message twice.
func (e *Worker) deliver(working context.Context, p *provider, batch []Job) {
	ctx := context.WithoutCancel(working)
	attempted, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	t := e.attempt(attempted, p, batch)
	for n, last := 0, 0; last < recordTries; n++ {
		kept, cancel := context.WithTimeout(ctx, 5*time.Second)
		failed := e.record(kept, p, batch, t)
		cancel()
		if failed == nil {
			return
		}
		slog.ErrorContext(ctx, "what came of a delivery could not be kept", "delivery", batch[0].ID, "err", failed)
		if postgres.IsUnavailable(failed) {
			p.noteDatabaseFailure()
		}
		if working.Err() != nil || !postgres.IsUnavailable(failed) {
			last++
		}
		time.Sleep(min(firstBackoff/20<<min(n, 10), firstBackoff))
	}
}

// attemptResult is what came of an attempt.
type attemptResult struct {
	message  Message
	response string
	took     time.Duration
	err      error
}

func (e *Worker) attempt(ctx context.Context, p *provider, batch []Job) (t attemptResult) {
	if t.message, t.err = e.render(ctx, batch); t.err != nil {
		if unanswered(t.err) && !errors.Is(t.err, errNotReady) {
			t.err = errors.Join(errNotReady, t.err)
		}
		return t
	}
	if t.err = p.limiter.Wait(ctx); t.err != nil {
		return t
	}
	leave, err := p.breaker.Allow()
	if err != nil {
		t.err = errors.Join(errNotReady, err)
		return t
	}
	began := time.Now()
	t.response, t.err = p.Send(ctx, t.message)
	leave(t.err)
	t.took = time.Since(began)
	return t
}

// record judges each delivery of a batch. What went out as one and has to again comes back as one: after the same pause.
func (e *Worker) record(ctx context.Context, p *provider, batch []Job, t attemptResult) error {
	return pgx.BeginFunc(ctx, e.db, func(tx pgx.Tx) error {
		var again time.Duration
		for _, d := range batch {
			err := t.err
			if slices.Contains(t.message.OptedOut, d.ID) {
				err = errOptedOut
			}
			v := decide(d, err, time.Now())
			v.sentWith = t.message.ID
			if v.retryIn > 0 {
				again = cmp.Or(again, v.retryIn)
				v.retryIn = again
			}
			if err := recordOne(ctx, tx, p, d, v, t); err != nil {
				return err
			}
		}
		return nil
	})
}

func recordOne(ctx context.Context, tx pgx.Tx, p *provider, d Job, v decision, t attemptResult) error {
	if !v.deferUntil.IsZero() {
		return deferJob(ctx, tx, d, v.deferUntil)
	}
	v.reason = truncate(v.reason)
	answer := cmp.Or(v.reason, truncate(t.response))
	a := attemptRow{DeliveryID: d.ID, Number: d.Attempts, Outcome: v.outcome, Provider: p.Name, Answer: answer, LatencyMS: t.took.Milliseconds()}
	if holds, err := finish(ctx, tx, d, v, a); err != nil || !holds {
		return err
	}
	if d.Channel == kind.Push && (v.state == Dead || v.state == Skipped) {
		return fallBackToEmail(ctx, tx, d)
	}
	return nil
}
