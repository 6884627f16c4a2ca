package payment

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// ask counts one more attempt of a payment that is not settled, and answers the payment.
func ask(ctx context.Context, tx pgx.Tx, c Charge, provider string) (Payment, error) {
	rows, err := tx.Query(ctx, `
		insert into payments (order_id, provider, amount, currency, state, attempts) values ($1, $2, $3, $4, 'asked', 1)
		on conflict (order_id) do update set attempts = payments.attempts + case payments.state when 'asked' then 1 else 0 end
		returning order_id, provider, amount, currency, state, reference, reason, reason_code, attempts, asked_at, settled_at`,
		c.Key, provider, c.Amount, c.Currency)
	return one(rows, err)
}

// conclude settles a payment that is not settled yet, and answers it as it then is. It fails with ErrUnknown.
func conclude(ctx context.Context, tx pgx.Tx, n Notice) (Payment, error) {
	rows, err := tx.Query(ctx, `
		update payments set settled_at = coalesce(settled_at, now()),
			state = case state when 'asked' then $2 else state end,
			reference = case when reference = '' then $3 else reference end,
			reason = case state when 'asked' then $4 else reason end,
			reason_code = case state when 'asked' then $5 else reason_code end
		where order_id = $1
		returning order_id, provider, amount, currency, state, reference, reason, reason_code, attempts, asked_at, settled_at`,
		n.Key, n.State, n.Reference, n.Why.Words, n.Why.Code)
	return one(rows, err)
}

// callOff ends a payment, or forestalls one that was never asked for. A declined one stays declined. XXX is
// "no currency" in ISO 4217.
func callOff(ctx context.Context, tx pgx.Tx, id shop.OrderID, provider string) (Payment, error) {
	rows, err := tx.Query(ctx, `
		insert into payments (order_id, provider, amount, currency, state, settled_at) values ($1, $2, 0, 'XXX', 'called_off', now())
		on conflict (order_id) do update set state = case payments.state when 'declined' then 'declined' else 'called_off' end,
			settled_at = coalesce(payments.settled_at, now())
		returning order_id, provider, amount, currency, state, reference, reason, reason_code, attempts, asked_at, settled_at`, id, provider)
	return one(rows, err)
}

// get fails with ErrUnknown.
func get(ctx context.Context, db postgres.Reader, id shop.OrderID) (Payment, error) {
	rows, err := db.Query(ctx, `
		select order_id, provider, amount, currency, state, reference, reason, reason_code, attempts, asked_at, settled_at
		from payments where order_id = $1`, id)
	return one(rows, err)
}

func one(rows pgx.Rows, err error) (Payment, error) {
	if err != nil {
		return Payment{}, err
	}
	p, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Payment])
	if errors.Is(err, pgx.ErrNoRows) {
		return p, ErrUnknown
	}
	p.Reason = shop.Cause{Code: p.ReasonCode, Words: p.Reason}.Text()
	return p, err
}

// heard notes a message, once.
func heard(ctx context.Context, tx pgx.Tx, provider string, n Notice) error {
	var order *uuid.UUID
	if n.Key.UUID != uuid.Nil {
		order = &n.Key.UUID
	}
	_, err := tx.Exec(ctx, `
		insert into payment_notices (provider, id, kind, order_id) values ($1, $2, $3, $4) on conflict do nothing`,
		provider, n.ID, n.Kind, order)
	return err
}

// report answers false where it was found before and is still open.
func report(ctx context.Context, tx pgx.Tx, f PaymentDiscrepancy) (bool, error) {
	tag, err := tx.Exec(ctx, `
		insert into payment_findings (kind, order_id, provider, reference, amount, currency) values ($1, $2, $3, $4, $5, $6)
		on conflict (kind, order_id) do update set mended_at = null, found_at = now() where payment_findings.mended_at is not null`, f.Kind, f.OrderID, f.Provider, f.Reference, f.Amount, f.Currency)
	return tag.RowsAffected() == 1, err
}

func mended(ctx context.Context, tx pgx.Tx, kind DiscrepancyKind, id shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		update payment_findings set mended_at = now() where kind = $1 and order_id = $2 and mended_at is null`, kind, id)
	return err
}

func finding(ctx context.Context, db postgres.Reader, id int64) (PaymentDiscrepancy, error) {
	return postgres.One(ctx, db, ErrNoFinding, pgx.RowToStructByName[PaymentDiscrepancy], `
		select id, kind, order_id, provider, reference, amount, currency, found_at, mended_at from payment_findings where id = $1`, id)
}

// postpone has a finding looked at again after ten minutes, twenty, forty ... a day.
func postpone(ctx context.Context, tx pgx.Tx, id int64) error {
	_, err := tx.Exec(ctx, `
		update payment_findings set attempts = attempts + 1,
			look_at = now() + least(interval '10 minutes' * power(2, least(attempts, 10)), interval '1 day') where id = $1`, id)
	return err
}

func open(ctx context.Context, db postgres.Reader, provider string, after int64) ([]PaymentDiscrepancy, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[PaymentDiscrepancy], `
		select id, kind, order_id, provider, reference, amount, currency, found_at, mended_at
		from payment_findings where mended_at is null and provider = $1 and look_at <= now() and id > $2 order by id limit 100`, provider, after)
}

// foundWith is how many findings of a kind there were in the day until one of them was found, itself among them.
func foundWith(ctx context.Context, db postgres.Reader, kind DiscrepancyKind, id shop.OrderID) (n int, err error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[int], `
		select count(*) from payment_findings own join payment_findings f on f.kind = own.kind
			and f.found_at > own.found_at - interval '24 hours' and f.found_at <= own.found_at
		where own.kind = $1 and own.order_id = $2`, kind, id)
}

// compared begins where nothing is noted yet.
func compared(ctx context.Context, tx pgx.Tx, provider string) (c Compared, err error) {
	err = tx.QueryRow(ctx, `
		insert into reconciliations (provider, until, walked)
		select $1, now() - interval '3 hours', coalesce(min(asked_at), now()) - interval '31 days' from payments
		on conflict (provider) do update set until = reconciliations.until returning until, walked`, provider).Scan(&c.Until, &c.Walked)
	return c, err
}

// note takes the later of two, and starts over where everything was walked through.
func note(ctx context.Context, tx pgx.Tx, provider string, c Compared) error {
	_, err := tx.Exec(ctx, `
		update reconciliations set until = greatest(until, $2), walked = case
			when $3 < $2 then $3 else (select coalesce(min(asked_at), now()) - interval '31 days' from payments) end
		where provider = $1`, provider, c.Until, c.Walked)
	return err
}

func foundBefore(ctx context.Context, db postgres.Reader, before int64, limit int) ([]PaymentDiscrepancy, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[PaymentDiscrepancy], `
		select id, kind, order_id, provider, reference, amount, currency, found_at, mended_at
		from payment_findings where id < $1 order by id desc limit $2`, before, limit)
}
