package delivery

import (
	"context"
	"embed"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of this package.
var Migrations = postgres.Migrations{Name: "delivery", Files: postgres.Sub(files)}

// insert adds jobs, in one round trip. It changes nothing where a job of the same notification and channel exists.
func insert(ctx context.Context, tx pgx.Tx, jobs ...scheduledJob) error {
	batch := &pgx.Batch{}
	for _, j := range jobs {
		batch.Queue(`
			insert into deliveries
				(id, notification_id, user_id, kind, channel, priority, variables, path, request_id, address, due_at, give_up_at, order_id)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
				coalesce($13, (select order_id from deliveries where notification_id = $2 limit 1))) -- a fallback is about the same
			on conflict (notification_id, channel) do nothing`,
			j.ID, j.NotificationID, j.UserID, j.Kind, j.Channel, j.Priority, j.Variables, j.Path, j.RequestID, j.Address,
			j.due, j.due.Add(maxAge), j.OrderID)
	}
	return tx.SendBatch(ctx, batch).Close()
}

// orderNotifications are the notifications to a buyer about an order, in the inbox and on other channels, oldest first.
func orderNotifications(
	ctx context.Context, db postgres.Reader, buyer shop.UserID, order shop.OrderID,
) ([]OrderDelivery, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[OrderDelivery], `
		select notification_id, kind, channel, state, reason, attempts, created_at, finished_at
		from deliveries where user_id = $1 and order_id = $2
		union all
		select id, kind, 'in_app', case when read_at is null then 'sent' else 'read' end, '', 1,
			created_at, coalesce(read_at, created_at)
		from notifications where user_id = $1 and data->>'order_id' = $2::text
		order by created_at, channel limit 200`, buyer, order)
}

// claimedJob is a job that a worker has claimed.
type claimedJob struct {
	Job
	Interrupted bool // the worker that had claimed it before recorded no result
	More        bool // other jobs of its ordering key wait behind it
}

// forceIndexScans keeps the planner, in this transaction, to the two indexes that claim is made for. For a queue that
// was just empty there are no statistics, and the planner's default takes a second for a thousand jobs.
func forceIndexScans(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
			set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true),
			set_config('enable_mergejoin', 'off', true)`)
	return err
}

// claimReady claims the rows of ready(id, was), where was is the state before, and returns them as claimedJob. The
// order by keeps the planner to the index of the ordering key: see forceIndexScans.
const claimReady = `
		update deliveries set state = 'sending', attempts = attempts + 1, leased_until = now() + $1::interval
		from ready where deliveries.id = ready.id
		returning deliveries.id, notification_id, user_id, kind, channel, priority, variables, path, request_id, address, state, reason,
			attempts, refusals, give_up_at, leased_until, was = 'sending' as interrupted,
			(select behind.id from deliveries behind
				where behind.user_id = deliveries.user_id and behind.channel = deliveries.channel
				and behind.priority = deliveries.priority and behind.state = 'waiting' and behind.id > deliveries.id
				order by behind.id limit 1) is not null as more`

// claim claims due jobs, each the first of its ordering key, and with expired also those whose lease has ended. It
// skips rows that another replica is claiming.
func claim(ctx context.Context, tx pgx.Tx, channel kind.Channel, limit int, expired bool) ([]claimedJob, error) {
	return postgres.All(ctx, tx, pgx.RowToStructByName[claimedJob], `
		with ready as (
			select d.id, d.state as was from deliveries d
			join lateral (
				select first.id from deliveries first
				where first.user_id = d.user_id and first.channel = d.channel and first.priority = d.priority
				and first.state in ('waiting', 'sending')
				order by first.id limit 1) first on first.id = d.id
			where d.channel = $2 and d.state in ('waiting', 'sending')
			and (d.state = 'waiting' and d.due_at <= now() or $4 and d.state = 'sending' and d.leased_until < now())
			order by d.priority, d.due_at limit $3
			for update of d skip locked
		)`+claimReady, lease, channel, limit, expired)
}

// claimNext claims the first job of the ordering key of one that has ended, if it is due. Unlike claim it costs the
// same however many jobs the ordering key has.
func claimNext(ctx context.Context, tx pgx.Tx, last Job) ([]claimedJob, error) {
	return postgres.All(ctx, tx, pgx.RowToStructByName[claimedJob], `
		with ready as (
			select id, state as was from deliveries
			where state = 'waiting' and id = (
				select case when state = 'waiting' and due_at <= now() then id end from deliveries
				where user_id = $2 and channel = $3 and priority = $4 and state in ('waiting', 'sending')
				order by id limit 1)
			for update skip locked
		)`+claimReady, lease, last.UserID, last.Channel, last.Priority)
}

// claimDigest claims the other due jobs of a digest, and with expired also those whose lease has ended, so that a
// digest that a crash interrupted is sent as one again.
func claimDigest(ctx context.Context, tx pgx.Tx, first Job, limit int, expired bool) ([]claimedJob, error) {
	return postgres.All(ctx, tx, pgx.RowToStructByName[claimedJob], `
		with ready as (
			select id, state as was from deliveries
			where user_id = $2 and channel = $3 and priority = $4 and id <> $5 and state in ('waiting', 'sending')
			and (state = 'waiting' and due_at <= now() or $7 and state = 'sending' and leased_until < now())
			order by id limit $6
			for update skip locked
		)`+claimReady, lease, first.UserID, first.Channel, first.Priority, first.ID, limit, expired)
}

// finish records a decision and its attempt, in one round trip. It returns whether the decision holds. It does not hold
// if the lease has ended and another worker has claimed the job since; but Sent always holds, as long as the delivery
// has not ended, because the user has the message.
func finish(ctx context.Context, tx pgx.Tx, job Job, d decision, a attemptRow) (holds bool, err error) {
	refusals := 0
	if d.countRefusal {
		refusals = 1
	}
	batch := &pgx.Batch{}
	batch.Queue(`
		update deliveries set state = $3, reason = $4, refusals = refusals + $5, leased_until = null,
			due_at = case when $3 = 'waiting' and due_at <= leased_until - $7::interval then now() + $6::interval
				else due_at end, -- see makeDue
			finished_at = case when $3 = 'waiting' then null else now() end,
			variables = case when $3 in ('sent', 'skipped') then '{}' else variables end,
			address = case when $3 in ('sent', 'skipped') then '' else address end,
			sent_with = case when $3 = 'sent' and priority = $9 then $8::uuid end
		where id = $1 and (state = 'sending' and leased_until = $2 or $3 = 'sent' and state in ('sending', 'waiting'))`,
		job.ID, job.LeasedUntil, d.state, d.reason, refusals, d.retryIn, lease, d.sentWith, Digest,
	).Exec(func(tag pgconn.CommandTag) error {
		holds = tag.RowsAffected() > 0
		return nil
	})
	queueAttempt(batch, a)
	return holds, tx.SendBatch(ctx, batch).Close()
}

// deferJob undoes the claim of a job and makes it due at a time, unless another worker has claimed it since.
func deferJob(ctx context.Context, tx pgx.Tx, job Job, until time.Time) error {
	_, err := tx.Exec(ctx, `
		update deliveries set state = 'waiting', attempts = attempts - 1, leased_until = null,
			due_at = case when due_at <= leased_until - $4::interval then greatest($3, now() + interval '1 second')
				else due_at end -- see makeDue
		where id = $1 and leased_until = $2 and state = 'sending'`, job.ID, job.LeasedUntil, until, lease)
	return err
}

// attemptRow is a row of the history.
type attemptRow struct {
	DeliveryID ID
	Number     int
	Outcome    attemptOutcome
	Provider   string
	Response   string
	LatencyMS  int64
}

func queueAttempt(batch *pgx.Batch, a attemptRow) {
	batch.Queue(`
		insert into attempts (delivery_id, number, outcome, provider, response, latency_ms) values ($1, $2, $3, $4, $5, $6)`,
		a.DeliveryID, a.Number, a.Outcome, a.Provider, a.Response, a.LatencyMS)
}

// retryDead makes a dead delivery due. It fails with ErrNotFound or ErrNotDead.
func retryDead(ctx context.Context, tx pgx.Tx, id ID) (Delivery, error) {
	d, err := postgres.One(ctx, tx, ErrNotDead, pgx.RowToStructByName[Delivery], `
		update deliveries set state = 'waiting', refusals = 0, due_at = now(), give_up_at = now() + $2::interval,
			finished_at = null
		where id = $1 and state = 'dead'
		returning id, notification_id, user_id, kind, channel, state, reason, attempts, due_at, created_at, finished_at,
			opened_at, clicked_at`, id, maxAge)
	if errors.Is(err, ErrNotDead) {
		if _, notFound := recipientOf(ctx, tx, id); notFound != nil {
			return d, notFound
		}
	}
	return d, err
}

func history(
	ctx context.Context, db postgres.Reader, q HistoryQuery, before int64, limit int,
) ([]DeliveryAttempt, error) {
	var c postgres.Conditions
	c.And(`a.id < ?`, before)
	postgres.AndSet(&c, `d.kind = ?`, q.Kind)
	postgres.AndSet(&c, `d.channel = ?`, q.Channel)
	postgres.AndSet(&c, `a.outcome = ?`, q.Outcome)
	postgres.AndSet(&c, `d.user_id = ?`, q.UserID)
	postgres.AndSet(&c, `d.notification_id = ?`, q.NotificationID)
	sql := `
		select a.id as seq, a.delivery_id, d.notification_id, d.user_id, d.kind, d.channel, a.number, a.outcome, a.provider,
			a.response, a.latency_ms, d.state, a.at
		from attempts a join deliveries d on d.id = a.delivery_id
		where ` + c.String() + c.Fill(` order by a.id desc limit ?`, limit)
	return postgres.All(ctx, db, pgx.RowToStructByName[DeliveryAttempt], sql, c.Args...)
}

// days counts deliveries by the day on which they were enqueued, and the inbox as a channel, newest first.
func days(ctx context.Context, db postgres.Reader, from, until time.Time) ([]DailyDeliveries, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[DailyDeliveries], `
		select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD') as day, kind, channel, count(*)::int as planned,
			count(*) filter (where state = 'sent')::int as sent, count(*) filter (where state = 'dead')::int as failed,
			count(*) filter (where state = 'skipped')::int as skipped,
			count(*) filter (where state in ('waiting', 'sending'))::int as waiting,
			count(opened_at)::int as opened, count(clicked_at)::int as clicked, coalesce(sum(attempts), 0)::int as attempts
		from deliveries where created_at >= $1 and created_at < $2
		group by 1, 2, 3
		union all
		select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD'), kind, 'in_app', count(*)::int, count(*)::int, 0, 0, 0,
			count(read_at)::int, 0, count(*)::int
		from notifications where created_at >= $1 and created_at < $2
		group by 1, 2
		order by day desc, kind, channel`, from, until)
}

// recipientOf is the user that a delivery is for. It fails with ErrNotFound.
func recipientOf(ctx context.Context, tx pgx.Tx, id ID) (shop.UserID, error) {
	return postgres.One(ctx, tx, ErrNotFound, pgx.RowTo[shop.UserID], `select user_id from deliveries where id = $1`, id)
}

// markOpened records the first time, for all jobs of a digest. An e-mail whose link was followed was also opened, even
// if the mail program loads no images.
func markOpened(ctx context.Context, tx pgx.Tx, id ID, clicked bool) error {
	_, err := tx.Exec(ctx, `
		update deliveries set opened_at = coalesce(opened_at, now()),
			clicked_at = case when $2 then coalesce(clicked_at, now()) else clicked_at end
		where id = $1 or sent_with = $1`, id, clicked)
	return err
}

// All lists the deliveries to a user, oldest first.
func All(ctx context.Context, db postgres.Reader, user shop.UserID) ([]Delivery, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Delivery], `
		select id, notification_id, user_id, kind, channel, state, reason, attempts, due_at, created_at, finished_at, opened_at,
			clicked_at
		from deliveries where user_id = $1 order by id`, user)
}

// makeDue makes the waiting jobs of a user with a priority up to max due. It also sets due_at of jobs that are being
// sent, to a time after their claim: finish and deferJob leave such a due_at as it is. It locks in the order of ids.
func makeDue(ctx context.Context, tx pgx.Tx, user shop.UserID, max Priority) error {
	_, err := tx.Exec(ctx, `
		with jobs as (
			select id from deliveries where user_id = $1 and state in ('waiting', 'sending') and priority <= $2
			order by id for update
		)
		update deliveries set due_at = clock_timestamp() from jobs where deliveries.id = jobs.id`, user, max)
	return err
}

// Purge ends the waiting jobs of a user and removes their personal data. It locks in the order of ids.
func Purge(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	_, err := tx.Exec(ctx, `
		with jobs as (select id from deliveries where user_id = $1 order by id for update)
		update deliveries set variables = '{}', address = '', path = '', request_id = null, opened_at = null, clicked_at = null,
			state = case when state = 'waiting' then 'skipped' else state end,
			reason = case when state = 'waiting' then 'the account was erased' else '' end
		from jobs where deliveries.id = jobs.id`, user)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		update attempts set response = ''
		from deliveries where deliveries.id = attempts.delivery_id and deliveries.user_id = $1`, user)
	return err
}
