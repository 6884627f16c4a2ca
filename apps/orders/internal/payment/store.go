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
		returning order_id, provider, amount, currency, state, reference, reason, attempts, asked_at, settled_at`,
		c.Key, provider, c.Amount, c.Currency)
	return one(rows, err)
}

// conclude settles a payment that is not settled yet, and answers it as it then is. It fails with ErrUnknown.
func conclude(ctx context.Context, tx pgx.Tx, n Notice) (Payment, error) {
	rows, err := tx.Query(ctx, `
		update payments set settled_at = coalesce(settled_at, now()),
			state = case state when 'asked' then $2 else state end,
			reference = case when reference = '' then $3 else reference end,
			reason = case state when 'asked' then $4 else reason end
		where order_id = $1
		returning order_id, provider, amount, currency, state, reference, reason, attempts, asked_at, settled_at`,
		n.Key, n.State, n.Reference, n.Reason)
	return one(rows, err)
}

// callOff ends a payment, or forestalls one that was never asked for. A declined one stays declined.
func callOff(ctx context.Context, tx pgx.Tx, id shop.OrderID, provider string) (Payment, error) {
	rows, err := tx.Query(ctx, `
		insert into payments (order_id, provider, amount, currency, state, settled_at) values ($1, $2, 0, 'XXX', 'called_off', now())
		on conflict (order_id) do update set state = case payments.state when 'declined' then 'declined' else 'called_off' end,
			settled_at = coalesce(payments.settled_at, now())
		returning order_id, provider, amount, currency, state, reference, reason, attempts, asked_at, settled_at`, id, provider)
	return one(rows, err)
}

// get fails with ErrUnknown.
func get(ctx context.Context, db postgres.Reader, id shop.OrderID) (Payment, error) {
	rows, err := db.Query(ctx, `
		select order_id, provider, amount, currency, state, reference, reason, attempts, asked_at, settled_at
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

// report answers false where it was found before.
func report(ctx context.Context, tx pgx.Tx, f Finding) (bool, error) {
	tag, err := tx.Exec(ctx, `
		insert into payment_findings (kind, order_id, provider, reference, amount, currency) values ($1, $2, $3, $4, $5, $6)
		on conflict (kind, order_id) do nothing`, f.Kind, f.OrderID, f.Provider, f.Reference, f.Amount, f.Currency)
	return tag.RowsAffected() == 1, err
}

func mended(ctx context.Context, tx pgx.Tx, kind FindingKind, id shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		update payment_findings set mended_at = now() where kind = $1 and order_id = $2 and mended_at is null`, kind, id)
	return err
}

func foundBefore(ctx context.Context, db postgres.Reader, before int64, limit int) ([]Finding, error) {
	rows, err := db.Query(ctx, `
		select id, kind, order_id, provider, reference, amount, currency, found_at, mended_at
		from payment_findings where id < $1 order by id desc limit $2`, before, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Finding])
}
