package payment

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// begin counts one more attempt of a payment that is not settled, and answers the payment.
func begin(ctx context.Context, tx pgx.Tx, c Charge, provider string) (Payment, error) {
	rows, err := tx.Query(ctx, `
		insert into payments (order_id, provider, amount, currency, state, attempts) values ($1, $2, $3, $4, 'pending', 1)
		on conflict (order_id) do update set attempts = payments.attempts + case payments.state when 'pending' then 1 else 0 end
		returning order_id, provider, amount, currency, state, reference, reason, reason_code, attempts, requested_at, settled_at`,
		c.OrderID, provider, c.Amount, c.Currency)
	return one(rows, err)
}

// settle settles a payment that is not settled yet, and answers it as it then is. It fails with ErrUnknown.
func settle(ctx context.Context, tx pgx.Tx, n WebhookEvent) (Payment, error) {
	rows, err := tx.Query(ctx, `
		update payments set settled_at = coalesce(settled_at, now()),
			state = case state when 'pending' then $2 else state end,
			reference = case when reference = '' then $3 else reference end,
			reason = case state when 'pending' then $4 else reason end,
			reason_code = case state when 'pending' then $5 else reason_code end
		where order_id = $1
		returning order_id, provider, amount, currency, state, reference, reason, reason_code, attempts, requested_at, settled_at`,
		n.OrderID, n.State, n.Reference, n.Cause.Words, n.Cause.Code)
	return one(rows, err)
}

// void ends a payment, or forestalls one that was never asked for. A declined one stays declined. XXX is
// "no currency" in ISO 4217.
func void(ctx context.Context, tx pgx.Tx, id shop.OrderID, provider string) (Payment, error) {
	rows, err := tx.Query(ctx, `
		insert into payments (order_id, provider, amount, currency, state, settled_at) values ($1, $2, 0, 'XXX', 'voided', now())
		on conflict (order_id) do update set state = case payments.state when 'declined' then 'declined' else 'voided' end,
			settled_at = coalesce(payments.settled_at, now())
		returning order_id, provider, amount, currency, state, reference, reason, reason_code, attempts, requested_at, settled_at`, id, provider)
	return one(rows, err)
}

// get fails with ErrUnknown.
func get(ctx context.Context, db postgres.Reader, id shop.OrderID) (Payment, error) {
	rows, err := db.Query(ctx, `
		select order_id, provider, amount, currency, state, reference, reason, reason_code, attempts, requested_at, settled_at
		from payments where order_id = $1`, id)
	return one(rows, err)
}

func one(rows pgx.Rows, err error) (Payment, error) {
	if err != nil {
		return Payment{}, err
	}
	p, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Payment])
	if errors.Is(err, pgx.ErrNoRows) {
		return p, ErrNotFound
	}
	p.Reason = shop.Cause{Code: p.ReasonCode, Words: p.Reason}.Text()
	return p, err
}

// recordWebhook notes a message, once.
func recordWebhook(ctx context.Context, tx pgx.Tx, provider string, n WebhookEvent) error {
	var order *uuid.UUID
	if n.OrderID.UUID != uuid.Nil {
		order = &n.OrderID.UUID
	}
	_, err := tx.Exec(ctx, `
		insert into payment_webhooks (provider, id, kind, order_id) values ($1, $2, $3, $4) on conflict do nothing`,
		provider, n.ID, n.Kind, order)
	return err
}

// report answers false where it was found before and is still open.
func report(ctx context.Context, tx pgx.Tx, f PaymentDiscrepancy) (bool, error) {
	tag, err := tx.Exec(ctx, `
		insert into payment_discrepancies (kind, order_id, provider, reference, amount, currency) values ($1, $2, $3, $4, $5, $6)
		on conflict (kind, order_id) do update set resolved_at = null, found_at = now() where payment_discrepancies.resolved_at is not null`, f.Kind, f.OrderID, f.Provider, f.Reference, f.Amount, f.Currency)
	return tag.RowsAffected() == 1, err
}

func resolve(ctx context.Context, tx pgx.Tx, kind DiscrepancyKind, id shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		update payment_discrepancies set resolved_at = now() where kind = $1 and order_id = $2 and resolved_at is null`, kind, id)
	return err
}

func discrepancy(ctx context.Context, db postgres.Reader, id int64) (PaymentDiscrepancy, error) {
	return postgres.One(ctx, db, ErrDiscrepancyNotFound, pgx.RowToStructByName[PaymentDiscrepancy], `
		select id, kind, order_id, provider, reference, amount, currency, found_at, resolved_at from payment_discrepancies where id = $1`, id)
}

// postpone has a finding looked at again after ten minutes, twenty, forty ... a day.
func postpone(ctx context.Context, tx pgx.Tx, id int64) error {
	_, err := tx.Exec(ctx, `
		update payment_discrepancies set attempts = attempts + 1,
			retry_at = now() + least(interval '10 minutes' * power(2, least(attempts, 10)), interval '1 day') where id = $1`, id)
	return err
}

func unresolved(ctx context.Context, db postgres.Reader, provider string, after int64) ([]PaymentDiscrepancy, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[PaymentDiscrepancy], `
		select id, kind, order_id, provider, reference, amount, currency, found_at, resolved_at
		from payment_discrepancies where resolved_at is null and provider = $1 and retry_at <= now() and id > $2 order by id limit 100`, provider, after)
}

// countSameDay is how many findings of a kind there were in the day until one of them was found, itself among them.
func countSameDay(ctx context.Context, db postgres.Reader, kind DiscrepancyKind, id shop.OrderID) (n int, err error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[int], `
		select count(*) from payment_discrepancies own join payment_discrepancies f on f.kind = own.kind
			and f.found_at > own.found_at - interval '24 hours' and f.found_at <= own.found_at
		where own.kind = $1 and own.order_id = $2`, kind, id)
}

// progress begins where nothing is noted yet.
func progress(ctx context.Context, tx pgx.Tx, provider string) (c Progress, err error) {
	err = tx.QueryRow(ctx, `
		insert into reconciliations (provider, until, backfill)
		select $1, now() - interval '3 hours', coalesce(min(requested_at), now()) - interval '31 days' from payments
		on conflict (provider) do update set until = reconciliations.until returning until, backfill`, provider).Scan(&c.Until, &c.Backfill)
	return c, err
}

// saveProgress takes the later of two, and starts over where everything was backfill through.
func saveProgress(ctx context.Context, tx pgx.Tx, provider string, c Progress) error {
	_, err := tx.Exec(ctx, `
		update reconciliations set until = greatest(until, $2), backfill = case
			when $3 < $2 then $3 else (select coalesce(min(requested_at), now()) - interval '31 days' from payments) end
		where provider = $1`, provider, c.Until, c.Backfill)
	return err
}

func discrepanciesBefore(ctx context.Context, db postgres.Reader, before int64, limit int) ([]PaymentDiscrepancy, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[PaymentDiscrepancy], `
		select id, kind, order_id, provider, reference, amount, currency, found_at, resolved_at
		from payment_discrepancies where id < $1 order by id desc limit $2`, before, limit)
}
