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

// Migrations are the tables of this noun.
var Migrations = postgres.Migrations{Name: "delivery", Files: postgres.Sub(files)}

// insert plans deliveries, in one round trip. One of the same message and channel that is there already stays as it is.
func insert(ctx context.Context, tx pgx.Tx, all ...scheduledJob) error {
	batch := &pgx.Batch{}
	for _, d := range all {
		batch.Queue(`
			insert into deliveries (id, message_id, user_id, kind, channel, lane, facts, path, request_id, address, due_at, give_up_at, order_id)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
				coalesce($13, (select order_id from deliveries where message_id = $2 limit 1))) -- one that falls back is about the same
			on conflict (message_id, channel) do nothing`,
			d.ID, d.NotificationID, d.UserID, d.Kind, d.Channel, d.Priority, d.Variables, d.Path, d.RequestID, d.Address, d.due, d.due.Add(maxAge), d.OrderID)
	}
	return tx.SendBatch(ctx, batch).Close()
}

// orderNotifications is what a buyer was told of an order, in the inbox and outside, the oldest first.
func orderNotifications(ctx context.Context, db postgres.Reader, buyer shop.UserID, order shop.OrderID) ([]OrderDelivery, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[OrderDelivery], `
		select message_id, kind, channel, state, reason, attempts, created_at, finished_at
		from deliveries where user_id = $1 and order_id = $2
		union all
		select id, kind, 'in_app', case when read_at is null then 'sent' else 'read' end, '', 1, created_at, coalesce(read_at, created_at)
		from messages where user_id = $1 and data->>'order_id' = $2::text
		order by created_at, channel limit 200`, buyer, order)
}

// claimedJob is a delivery that was taken to be sent.
type claimedJob struct {
	Job
	Interrupted bool // somebody had it before and never said what came of it
	More        bool // others wait behind it in its line
}

// forceIndexScans keeps the planner to the two indexes that claim is made for, in this transaction. A queue that was empty a moment
// ago has no statistics, and what the planner then thinks best takes a second for a thousand deliveries.
func forceIndexScans(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true),
			set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`)
	return err
}

// claim takes deliveries that are due and first in their line, and, with left, what others had for longer than they may. Replicas
// pass over what another is just taking.
func claim(ctx context.Context, tx pgx.Tx, channel kind.Channel, most int, left bool) ([]claimedJob, error) {
	return postgres.All(ctx, tx, pgx.RowToStructByName[claimedJob], `
		with ready as (
			select d.id, d.state as was from deliveries d
			join lateral (
				select line.id from deliveries line
				where line.user_id = d.user_id and line.channel = d.channel and line.lane = d.lane and line.state in ('waiting', 'sending')
				order by line.id limit 1) first on first.id = d.id
			where d.channel = $1 and d.state in ('waiting', 'sending')
			and (d.state = 'waiting' and d.due_at <= now() or $4 and d.state = 'sending' and d.leased_until < now())
			order by d.lane, d.due_at limit $2
			for update of d skip locked
		)
		update deliveries set state = 'sending', attempts = attempts + 1, leased_until = now() + $3::interval
		from ready where deliveries.id = ready.id
		returning deliveries.id, message_id, user_id, kind, channel, lane, facts, path, request_id, address, state, reason, attempts,
			refusals, give_up_at, leased_until, ready.was = 'sending' as interrupted, `+hasMoreSQL, channel, most, lease, left)
}

// hasMoreSQL says whether others wait behind a delivery in its line. The order keeps the planner to the index of lines: see byIndex.
const hasMoreSQL = `
			(select behind.id from deliveries behind
				where behind.user_id = deliveries.user_id and behind.channel = deliveries.channel and behind.lane = deliveries.lane
				and behind.state = 'waiting' and behind.id > deliveries.id
				order by behind.id limit 1) is not null as more`

// claimNext takes the one that is first in the line of a delivery that has ended, if it is due. It costs the same however long the
// line is, which claim does not.
func claimNext(ctx context.Context, tx pgx.Tx, last Job) ([]claimedJob, error) {
	return postgres.All(ctx, tx, pgx.RowToStructByName[claimedJob], `
		update deliveries set state = 'sending', attempts = attempts + 1, leased_until = now() + $4::interval
		where id = (
			select case when line.state = 'waiting' and line.due_at <= now() then line.id end from deliveries line
			where line.user_id = $1 and line.channel = $2 and line.lane = $3 and line.state in ('waiting', 'sending')
			order by line.id limit 1)
		and state = 'waiting'
		returning id, message_id, user_id, kind, channel, lane, facts, path, request_id, address, state, reason, attempts,
			refusals, give_up_at, leased_until, false as interrupted, `+hasMoreSQL, last.UserID, last.Channel, last.Priority, lease)
}

// claimDigest takes the others of a digest, and, with left, those that somebody had for longer than they may: all of one that a crash
// interrupted.
func claimDigest(ctx context.Context, tx pgx.Tx, first Job, most int, left bool) ([]claimedJob, error) {
	return postgres.All(ctx, tx, pgx.RowToStructByName[claimedJob], `
		with ready as (
			select id, state as was from deliveries
			where user_id = $1 and channel = $2 and lane = $3 and id <> $4 and state in ('waiting', 'sending')
			and (state = 'waiting' and due_at <= now() or $7 and state = 'sending' and leased_until < now())
			order by id limit $5
			for update skip locked
		)
		update deliveries set state = 'sending', attempts = attempts + 1, leased_until = now() + $6::interval
		from ready where deliveries.id = ready.id
		returning deliveries.id, message_id, user_id, kind, channel, lane, facts, path, request_id, address, state, reason, attempts,
			refusals, give_up_at, leased_until, ready.was = 'sending' as interrupted, false as more`, first.UserID, first.Channel, first.Priority, first.ID, most, lease, left)
}

// finish keeps a verdict and what was tried, in one answer from the server. The verdict holds unless the lease ended and
// somebody else has the delivery now: they are told apart by the end of their leases. A yes holds anyway, as long as the delivery
// has not ended: its reader has it. It returns whether the verdict holds.
func finish(ctx context.Context, tx pgx.Tx, d Job, v decision, a attemptRow) (holds bool, err error) {
	refused := 0
	if v.countRefusal {
		refused = 1
	}
	batch := &pgx.Batch{}
	batch.Queue(`
		update deliveries set state = $3, reason = $4, refusals = refusals + $5, leased_until = null,
			due_at = case when $3 = 'waiting' and due_at <= leased_until - $7::interval then now() + $6::interval else due_at end, -- see hasten
			finished_at = case when $3 = 'waiting' then null else now() end,
			facts = case when $3 in ('sent', 'skipped') then '{}' else facts end,
			address = case when $3 in ('sent', 'skipped') then '' else address end,
			sent_with = case when $3 = 'sent' and lane = $9 then $8::uuid end
		where id = $1 and (state = 'sending' and leased_until = $2 or $3 = 'sent' and state in ('sending', 'waiting'))`,
		d.ID, d.LeasedUntil, v.state, v.reason, refused, v.retryIn, lease, v.sentWith, Digest).Exec(func(tag pgconn.CommandTag) error {
		holds = tag.RowsAffected() > 0
		return nil
	})
	queueAttempt(batch, a)
	return holds, tx.SendBatch(ctx, batch).Close()
}

// deferJob puts a delivery back as if nobody had taken it, until a moment; as finish does, unless somebody else has it now.
func deferJob(ctx context.Context, tx pgx.Tx, d Job, until time.Time) error {
	_, err := tx.Exec(ctx, `
		update deliveries set state = 'waiting', attempts = attempts - 1, leased_until = null,
			due_at = case when due_at <= leased_until - $4::interval then greatest($3, now() + interval '1 second') else due_at end -- see hasten
		where id = $1 and leased_until = $2 and state = 'sending'`, d.ID, d.LeasedUntil, until, lease)
	return err
}

func queueAttempt(batch *pgx.Batch, a attemptRow) {
	batch.Queue(`
		insert into attempts (delivery_id, number, outcome, provider, answer, latency_ms) values ($1, $2, $3, $4, $5, $6)`,
		a.DeliveryID, a.Number, a.Outcome, a.Provider, a.Answer, a.LatencyMS)
}

// retryDead lets a dead delivery wait again. It fails with ErrNotFound or ErrNotDead.
func retryDead(ctx context.Context, tx pgx.Tx, id ID) (Delivery, error) {
	p, err := postgres.One(ctx, tx, ErrNotDead, pgx.RowToStructByName[Delivery], `
		update deliveries set state = 'waiting', refusals = 0, due_at = now(), give_up_at = now() + $2::interval, finished_at = null
		where id = $1 and state = 'dead'
		returning id, message_id, user_id, kind, channel, state, reason, attempts, due_at, created_at, finished_at, opened_at, clicked_at`, id, maxAge)
	if errors.Is(err, ErrNotDead) {
		if _, unknown := recipientOf(ctx, tx, id); unknown != nil {
			return p, unknown
		}
	}
	return p, err
}

func history(ctx context.Context, db postgres.Reader, f Filter, before int64, most int) ([]DeliveryAttempt, error) {
	var c postgres.Conditions
	c.And(`a.id < ?`, before)
	if f.Kind != "" {
		c.And(`d.kind = ?`, f.Kind)
	}
	if f.Channel != "" {
		c.And(`d.channel = ?`, f.Channel)
	}
	if f.Outcome != "" {
		c.And(`a.outcome = ?`, f.Outcome)
	}
	if f.UserID != nil {
		c.And(`d.user_id = ?`, f.UserID)
	}
	if f.NotificationID != nil {
		c.And(`d.message_id = ?`, f.NotificationID)
	}
	sql := `
		select a.id as seq, a.delivery_id, d.message_id, d.user_id, d.kind, d.channel, a.number, a.outcome, a.provider, a.answer,
			a.latency_ms, d.state, a.at
		from attempts a join deliveries d on d.id = a.delivery_id
		where ` + c.String() + c.Fill(` order by a.id desc limit ?`, most)
	return postgres.All(ctx, db, pgx.RowToStructByName[DeliveryAttempt], sql, c.Args...)
}

// days counts what became of deliveries by the day on which they were planned.
func days(ctx context.Context, db postgres.Reader, from, until time.Time) ([]DailyDeliveries, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[DailyDeliveries], `
		select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD') as day, kind, channel, count(*)::int as planned,
			count(*) filter (where state = 'sent')::int as sent, count(*) filter (where state = 'dead')::int as failed,
			count(*) filter (where state = 'skipped')::int as skipped, count(*) filter (where state in ('waiting', 'sending'))::int as waiting,
			count(opened_at)::int as opened, count(clicked_at)::int as clicked, coalesce(sum(attempts), 0)::int as attempts
		from deliveries where created_at >= $1 and created_at < $2
		group by 1, 2, 3 order by 1 desc, 2, 3`, from, until)
}

// recipientOf is whom a delivery is for. It fails with ErrNotFound.
func recipientOf(ctx context.Context, tx pgx.Tx, id ID) (shop.UserID, error) {
	return postgres.One(ctx, tx, ErrNotFound, pgx.RowTo[shop.UserID], `select user_id from deliveries where id = $1`, id)
}

// markOpened keeps the first time, of all that a digest gathered. A link that is followed was seen, whatever the reader's program does
// with pictures.
func markOpened(ctx context.Context, tx pgx.Tx, id ID, link bool) error {
	_, err := tx.Exec(ctx, `
		update deliveries set opened_at = coalesce(opened_at, now()), clicked_at = case when $2 then coalesce(clicked_at, now()) else clicked_at end
		where id = $1 or sent_with = $1`, id, link)
	return err
}

// All are all deliveries to somebody, in their order.
func All(ctx context.Context, db postgres.Reader, user shop.UserID) ([]Delivery, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[Delivery], `
		select id, message_id, user_id, kind, channel, state, reason, attempts, due_at, created_at, finished_at, opened_at, clicked_at from deliveries
		where user_id = $1 order by id`, user)
}

// makeDue has what waits for somebody in the lanes up to one looked at now, and what is being looked at, by what was known before,
// again: it is due after its claim then, which finish leaves so. It locks in the order of ids, as others do who lock several.
func makeDue(ctx context.Context, tx pgx.Tx, user shop.UserID, last Priority) error {
	_, err := tx.Exec(ctx, `
		with theirs as (
			select id from deliveries where user_id = $1 and state in ('waiting', 'sending') and lane <= $2 order by id for update
		)
		update deliveries set due_at = clock_timestamp() from theirs where deliveries.id = theirs.id`, user, last)
	return err
}

// Purge ends what waits for somebody and removes what is said of them. It locks in the order of ids.
func Purge(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	_, err := tx.Exec(ctx, `
		with theirs as (select id from deliveries where user_id = $1 order by id for update)
		update deliveries set facts = '{}', address = '', path = '', request_id = null, opened_at = null, clicked_at = null,
			state = case when state = 'waiting' then 'skipped' else state end,
			reason = case when state = 'waiting' then 'the account was erased' else '' end
		from theirs where deliveries.id = theirs.id`, user)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		update attempts set answer = '' from deliveries where deliveries.id = attempts.delivery_id and deliveries.user_id = $1`, user)
	return err
}
