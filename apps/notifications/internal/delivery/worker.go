package delivery

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/errgroup"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/postgres"
)

// Render renders the message of a job, or of several jobs that are sent as one. It fails with ErrObsolete, as Send
// does, or with deferred.
type Render func(ctx context.Context, jobs []Job) (Message, error)

// Worker claims due jobs and sends them.
type Worker struct {
	db        *pgxpool.Pool
	render    Render
	providers map[kind.Channel]*provider
}

// NewWorker needs a database with Migrations. Each channel has its own provider.
func NewWorker(db *pgxpool.Pool, render Render, providers map[kind.Channel]Provider) *Worker {
	w := &Worker{db: db, render: render, providers: map[kind.Channel]*provider{}}
	for channel, p := range providers {
		w.providers[channel] = newProvider(p)
	}
	return w
}

const (
	pollInterval  = 250 * time.Millisecond
	digestSize    = 50                    // jobs in a digest
	maxPerTurn    = 20                    // jobs of an ordering key that a slot sends before it takes another
	recordTries   = 5                     // not counting those while the database is unavailable
	recordTimeout = 5 * time.Second       // for one try
	outageGrace   = 2 * recordTimeout     // longer than a try to record and the pause after it
	recordPause   = 50 * time.Millisecond // after the first try; it doubles
	maxPause      = time.Second
)

// Run sends until ctx ends. It returns when the messages that are being sent then have been sent and recorded.
func (w *Worker) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for channel, p := range w.providers {
		g.Go(func() error { w.runChannel(ctx, channel, p); return nil })
	}
	return g.Wait()
}

func (w *Worker) runChannel(ctx context.Context, channel kind.Channel, p *provider) {
	var sending sync.WaitGroup
	defer sending.Wait()
	for ctx.Err() == nil {
		batches, err := w.claimBatches(ctx, channel, p)
		if err != nil && ctx.Err() == nil {
			p.recordDatabaseFailure()
			slog.WarnContext(ctx, "deliveries not claimed", "channel", channel, "err", err)
		}
		for _, b := range batches {
			p.slots <- struct{}{}
			sending.Go(func() {
				defer p.freeSlot()
				w.deliver(ctx, p, b.jobs)
				for n := 1; b.more && n < maxPerTurn && ctx.Err() == nil; n++ {
					if b = w.claimNextBatch(ctx, p, b); len(b.jobs) > 0 {
						w.deliver(ctx, p, b.jobs)
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

// batch has the jobs of one message.
type batch struct {
	jobs []Job
	more bool // other jobs of the ordering key wait
}

// claimNextBatch claims the next job of the ordering key of the last batch, if that has ended and the provider
// responds.
func (w *Worker) claimNextBatch(ctx context.Context, p *provider, last batch) (b batch) {
	job := last.jobs[0]
	if job.Priority == Digest || p.breaker.State() != gobreaker.StateClosed {
		return batch{}
	}
	err := pgx.BeginFunc(ctx, w.db, func(tx pgx.Tx) error {
		if err := forceIndexScans(ctx, tx); err != nil {
			return err
		}
		claimed, err := claimNext(ctx, tx, job)
		if err == nil && len(claimed) > 0 {
			b = batch{[]Job{claimed[0].Job}, claimed[0].More}
		}
		return err
	})
	if err != nil { // another claim finds it, if it was claimed after the lease has ended
		slog.WarnContext(ctx, "deliveries not claimed", "channel", job.Channel, "err", err)
		return batch{}
	}
	return b
}

// claimBatches claims as many jobs as there are free slots: none while the breaker is open, and one to probe the
// provider.
func (w *Worker) claimBatches(ctx context.Context, channel kind.Channel, p *provider) (batches []batch, err error) {
	limit := cap(p.slots) - len(p.slots)
	switch p.breaker.State() {
	case gobreaker.StateOpen:
		return nil, nil
	case gobreaker.StateHalfOpen:
		limit = min(limit, 1)
	case gobreaker.StateClosed:
	}
	if limit == 0 {
		return nil, nil
	}
	expired := p.mayTakeExpired()
	err = pgx.BeginFunc(ctx, w.db, func(tx pgx.Tx) error {
		batches = nil
		if err := forceIndexScans(ctx, tx); err != nil {
			return err
		}
		claimed, err := claim(ctx, tx, channel, limit, expired)
		if err != nil {
			return err
		}
		interrupted := &pgx.Batch{}
		for _, first := range claimed {
			b, err := w.newBatch(ctx, tx, p, first, expired, interrupted)
			if err != nil {
				return err
			}
			batches = append(batches, b)
		}
		return tx.SendBatch(ctx, interrupted).Close()
	})
	return batches, err
}

// newBatch claims the other jobs of a digest. It queues attempts with an unknown outcome for jobs whose worker stopped.
func (w *Worker) newBatch(
	ctx context.Context, tx pgx.Tx, p *provider, first claimedJob, expired bool, interrupted *pgx.Batch,
) (batch, error) {
	claimed := []claimedJob{first}
	if first.Priority == Digest {
		others, err := claimDigest(ctx, tx, first.Job, digestSize-1, expired)
		if err != nil {
			return batch{}, err
		}
		claimed = append(claimed, others...)
		slices.SortFunc(claimed, func(a, b claimedJob) int { return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:]) })
	}
	b := batch{more: first.More}
	for _, c := range claimed {
		if c.Interrupted {
			queueAttempt(interrupted, attemptRow{
				DeliveryID: c.ID, Number: c.Attempts - 1, Outcome: outcomeUnknown, Provider: p.Name,
				Response: "the worker stopped before the response",
			})
		}
		b.jobs = append(b.jobs, c.Job)
	}
	return b, nil
}

// deliver makes one attempt and records its result, retrying while the database is unavailable and the process runs. A
// crash between the provider's response and the end of the recording is the one case in which a user gets a message
// twice.
func (w *Worker) deliver(running context.Context, p *provider, jobs []Job) {
	ctx := context.WithoutCancel(running)
	attemptCtx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	result := w.attempt(attemptCtx, p, jobs)
	pause := recordPause
	for tries := 0; tries < recordTries; pause = min(2*pause, maxPause) {
		recordCtx, cancel := context.WithTimeout(ctx, recordTimeout)
		err := w.record(recordCtx, p, jobs, result)
		cancel()
		if err == nil {
			return
		}
		slog.ErrorContext(ctx, "delivery attempt not recorded", "delivery", jobs[0].ID, "err", err)
		unavailable := postgres.IsUnavailable(err)
		if unavailable {
			p.recordDatabaseFailure()
		}
		if running.Err() != nil || !unavailable {
			tries++
		}
		time.Sleep(pause)
	}
}

// attemptResult is the result of an attempt.
type attemptResult struct {
	message  Message
	response string
	took     time.Duration
	err      error
}

func (w *Worker) attempt(ctx context.Context, p *provider, jobs []Job) (r attemptResult) {
	if r.message, r.err = w.render(ctx, jobs); r.err != nil {
		if noResponse(r.err) && !errors.Is(r.err, errNotReady) {
			r.err = errors.Join(errNotReady, r.err)
		}
		return r
	}
	if r.err = p.limiter.Wait(ctx); r.err != nil {
		return r
	}
	done, err := p.breaker.Allow()
	if err != nil {
		r.err = errors.Join(errNotReady, err)
		return r
	}
	began := time.Now()
	r.response, r.err = p.Send(ctx, r.message)
	done(r.err)
	r.took = time.Since(began)
	return r
}

// record records a decision for each job of a batch. The jobs of a digest are retried at the same time, as one message.
func (w *Worker) record(ctx context.Context, p *provider, jobs []Job, r attemptResult) error {
	return pgx.BeginFunc(ctx, w.db, func(tx pgx.Tx) error {
		var retryIn time.Duration
		for _, job := range jobs {
			err := r.err
			if slices.Contains(r.message.OptedOut, job.ID) {
				err = errOptedOut
			}
			d := decide(job, err, time.Now())
			d.sentWith = r.message.ID
			if d.retryIn > 0 {
				retryIn = cmp.Or(retryIn, d.retryIn)
				d.retryIn = retryIn
			}
			if err := recordOne(ctx, tx, p, job, d, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func recordOne(ctx context.Context, tx pgx.Tx, p *provider, job Job, d decision, r attemptResult) error {
	if !d.deferUntil.IsZero() {
		return deferJob(ctx, tx, job, d.deferUntil)
	}
	d.reason = truncate(d.reason)
	holds, err := finish(ctx, tx, job, d, attemptRow{
		DeliveryID: job.ID, Number: job.Attempts, Outcome: d.result, Provider: p.Name,
		Response: cmp.Or(d.reason, truncate(r.response)), LatencyMS: r.took.Milliseconds(),
	})
	if err != nil || !holds {
		return err
	}
	if job.Channel == kind.Push && (d.state == StateDead || d.state == StateSkipped) {
		return fallBackToEmail(ctx, tx, job)
	}
	return nil
}
