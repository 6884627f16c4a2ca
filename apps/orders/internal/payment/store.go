package payment

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

const columns = `order_id, provider, amount, currency, state, reference, reason, reason_code, attempts,
	requested_at, settled_at`

func scan(row pgx.CollectableRow) (Payment, error) {
	p, err := pgx.RowToStructByName[Payment](row)
	p.Reason = shop.Cause{Code: p.ReasonCode, Words: p.Reason}.Text()
	if exact, err := p.Amount.In(p.Currency); err == nil { // Postgres sends a zero without decimals
		p.Amount = exact
	}
	return p, err
}

// Get returns an order's payment. It fails with ErrNotFound.
func Get(ctx context.Context, db postgres.Reader, id shop.OrderID) (Payment, error) {
	return postgres.One(ctx, db, ErrNotFound, scan, `select `+columns+` from payments where order_id = $1`, id)
}

// begin creates a payment, or counts one more attempt of a pending one.
func begin(ctx context.Context, tx pgx.Tx, c Charge, provider string) (Payment, error) {
	return postgres.One(ctx, tx, pgx.ErrNoRows, scan, `
		insert into payments (order_id, provider, amount, currency, state, attempts)
		values ($1, $2, $3, $4, 'pending', 1)
		on conflict (order_id) do update set
			attempts = payments.attempts + case payments.state when 'pending' then 1 else 0 end
		returning `+columns, c.OrderID, provider, c.Amount, c.Currency)
}

// settle records the result of a pending payment. It fails with ErrNotFound.
func settle(ctx context.Context, tx pgx.Tx, e WebhookEvent) (Payment, error) {
	return postgres.One(ctx, tx, ErrNotFound, scan, `
		update payments set settled_at = coalesce(settled_at, now()),
			state = case state when 'pending' then $2 else state end,
			reference = case when reference = '' then $3 else reference end,
			reason = case state when 'pending' then $4 else reason end,
			reason_code = case state when 'pending' then $5 else reason_code end
		where order_id = $1
		returning `+columns, e.OrderID, e.State, e.Reference, e.Cause.Words, e.Cause.Code)
}

// void ends a payment, unless it was declined, and inserts a tombstone if there is none. XXX is "no currency" in ISO
// 4217.
func void(ctx context.Context, tx pgx.Tx, id shop.OrderID, provider string) (Payment, error) {
	return postgres.One(ctx, tx, pgx.ErrNoRows, scan, `
		insert into payments (order_id, provider, amount, currency, state, settled_at)
		values ($1, $2, 0, 'XXX', 'voided', now())
		on conflict (order_id) do update set
			state = case payments.state when 'declined' then 'declined' else 'voided' end,
			settled_at = coalesce(payments.settled_at, now())
		returning `+columns, id, provider)
}

// recordWebhook records a message once.
func recordWebhook(ctx context.Context, tx pgx.Tx, provider string, e WebhookEvent) error {
	return postgres.Exec(ctx, tx, `
		insert into payment_webhooks (provider, id, kind, order_id) values ($1, $2, $3, nullif($4, $5::uuid))
		on conflict do nothing`, provider, e.ID, e.Kind, e.OrderID, uuid.Nil)
}

// report stores a discrepancy. It returns false if there is an unresolved one of the same kind and order.
func report(ctx context.Context, tx pgx.Tx, kind DiscrepancyKind, provider string, r Record) (bool, error) {
	tag, err := tx.Exec(ctx, `
		insert into payment_discrepancies (kind, order_id, provider, reference, amount, currency)
		values ($1, $2, $3, $4, $5, $6)
		on conflict (kind, order_id) do update set resolved_at = null, found_at = now()
		where payment_discrepancies.resolved_at is not null`,
		kind, r.OrderID, provider, r.Reference, r.Amount, r.Currency)
	return tag.RowsAffected() == 1, err
}

func resolve(ctx context.Context, tx pgx.Tx, kind DiscrepancyKind, id shop.OrderID) error {
	return postgres.Exec(ctx, tx, `
		update payment_discrepancies set resolved_at = now()
		where kind = $1 and order_id = $2 and resolved_at is null`, kind, id)
}

// postpone delays the next check of a discrepancy by ten minutes, twenty, forty ... a day.
func postpone(ctx context.Context, tx pgx.Tx, id int64) error {
	return postgres.Exec(ctx, tx, `
		update payment_discrepancies set attempts = attempts + 1,
			retry_at = now() + least(interval '10 minutes' * power(2, least(attempts, 10)), interval '1 day')
		where id = $1`, id)
}

const discrepancyColumns = `id, kind, order_id, provider, reference, amount, currency, found_at, resolved_at`

// discrepancy fails with ErrDiscrepancyNotFound.
func discrepancy(ctx context.Context, db postgres.Reader, id int64) (PaymentDiscrepancy, error) {
	return postgres.One(ctx, db, ErrDiscrepancyNotFound, pgx.RowToStructByName[PaymentDiscrepancy], `
		select `+discrepancyColumns+` from payment_discrepancies where id = $1`, id)
}

// Unresolved returns up to 100 unresolved discrepancies of the provider that are due, oldest first, after an id.
func (s *Service) Unresolved(ctx context.Context, after int64) ([]PaymentDiscrepancy, error) {
	return postgres.All(ctx, s.db, pgx.RowToStructByName[PaymentDiscrepancy], `
		select `+discrepancyColumns+` from payment_discrepancies
		where resolved_at is null and provider = $1 and retry_at <= now() and id > $2
		order by id limit 100`, s.provider.Name(), after)
}

func discrepanciesBefore(ctx context.Context, db postgres.Reader, before int64, limit int) ([]PaymentDiscrepancy, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[PaymentDiscrepancy], `
		select `+discrepancyColumns+` from payment_discrepancies where id < $1 order by id desc limit $2`, before, limit)
}

// countSameDay counts the discrepancies of a kind in the 24 hours before that of an order, which is included.
func countSameDay(ctx context.Context, db postgres.Reader, kind DiscrepancyKind, id shop.OrderID) (int, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[int], `
		select count(*) from payment_discrepancies own join payment_discrepancies d on d.kind = own.kind
			and d.found_at > own.found_at - interval '24 hours' and d.found_at <= own.found_at
		where own.kind = $1 and own.order_id = $2`, kind, id)
}

// progress creates the progress of a provider if there is none.
func progress(ctx context.Context, tx pgx.Tx, provider string) (Progress, error) {
	return postgres.One(ctx, tx, pgx.ErrNoRows, pgx.RowToStructByName[Progress], `
		insert into reconciliations (provider, until, backfill)
		select $1, now() - interval '3 hours', coalesce(min(requested_at), now()) - interval '31 days' from payments
		on conflict (provider) do update set until = reconciliations.until returning until, backfill`, provider)
}

// saveProgress keeps the later of both until, and restarts the backfill when it is complete.
func saveProgress(ctx context.Context, tx pgx.Tx, provider string, p Progress) error {
	return postgres.Exec(ctx, tx, `
		update reconciliations set until = greatest(until, $2), backfill = case
			when $3 < $2 then $3 else (select coalesce(min(requested_at), now()) - interval '31 days' from payments) end
		where provider = $1`, provider, p.Until, p.Backfill)
}
