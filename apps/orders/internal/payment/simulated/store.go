package simulated

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// attempt counts an attempt of a charge and locks its entry.
func attempt(ctx context.Context, tx pgx.Tx, c payment.Charge) (ledgerEntry, error) {
	return postgres.One(ctx, tx, pgx.ErrNoRows, pgx.RowToStructByName[ledgerEntry], `
		insert into simulated_ledger (key, amount, currency, state, attempts) values ($1, $2, $3, 'trying', 1)
		on conflict (key) do update set attempts = simulated_ledger.attempts + 1
		returning state, attempts`, c.OrderID, c.Amount, c.Currency)
}

// settle ends a charge; one that is processing settles after delay.
func settle(ctx context.Context, tx pgx.Tx, c payment.Charge, state string, delay time.Duration) error {
	return postgres.Exec(ctx, tx, `
		update simulated_ledger set state = $2, settled_at = case $2 when 'processing' then null else now() end,
			settles_at = case $2 when 'processing' then now() + $3 end, refuses = $4
		where key = $1`, c.OrderID, state, delay, c.Token == "tok_refund_refused")
}

// refusesRefunds reports whether something is left of a charge that refuses refunds.
func refusesRefunds(ctx context.Context, tx pgx.Tx, key shop.OrderID) (bool, error) {
	return postgres.One(ctx, tx, pgx.ErrNoRows, pgx.RowTo[bool], `
		select exists (select from simulated_ledger
			where key = $1 and refuses and state = 'approved' and refunded < amount)`, key)
}

// find settles a processing charge that is due and returns its entry. It fails with payment.ErrNotFound.
func find(ctx context.Context, tx pgx.Tx, key shop.OrderID) (ledgerEntry, error) {
	_, err := tx.Exec(ctx, `
		update simulated_ledger set state = 'approved', settled_at = settles_at
		where key = $1 and state = 'processing' and settles_at <= now()`, key)
	if err != nil {
		return ledgerEntry{}, err
	}
	return postgres.One(ctx, tx, payment.ErrNotFound, pgx.RowToStructByName[ledgerEntry], `
		select state, attempts from simulated_ledger where key = $1`, key)
}

// listCharges returns a page of the approved charges of a time range that are not fully refunded.
func listCharges(
	ctx context.Context, db postgres.Reader, since, until time.Time, after shop.OrderID, limit int,
) ([]payment.Record, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[payment.Record], `
		select key as order_id, key::text as reference, amount, refunded, currency, begun_at as at from simulated_ledger
		where state = 'approved' and refunded < amount and begun_at >= $1 and begun_at < $2 and key > $3
		order by key limit $4`, since, until, after, limit)
}

// insertRefund records a refund. It returns false if the refund was made; of two concurrent ones the second waits.
func insertRefund(ctx context.Context, tx pgx.Tx, r payment.Refund) (bool, error) {
	tag, err := tx.Exec(ctx, `
		insert into simulated_refunds (id, key, amount) select $1, key, $3 from simulated_ledger where key = $2
		on conflict (id) do nothing`, r.ID, r.OrderID, r.Amount)
	if err != nil || tag.RowsAffected() == 1 {
		return true, err
	}
	return postgres.One(ctx, tx, pgx.ErrNoRows, pgx.RowTo[bool], `
		select not exists (select from simulated_refunds where id = $1)`, r.ID)
}

// deduct returns false if the charge was not made, or has less left.
func deduct(ctx context.Context, tx pgx.Tx, r payment.Refund) (bool, error) {
	tag, err := tx.Exec(ctx, `
		update simulated_ledger set refunded = refunded + $2, settled_at = now(),
			state = case when refunded + $2 = amount then 'refunded' else state end
		where key = $1 and state = 'approved' and refunded + $2 <= amount`, r.OrderID, r.Amount)
	return tag.RowsAffected() == 1, err
}

// insertTombstone stores a key without a charge, so that a late charge is declined. XXX is "no currency" in ISO 4217.
func insertTombstone(ctx context.Context, tx pgx.Tx, key shop.OrderID) error {
	return postgres.Exec(ctx, tx, `
		insert into simulated_ledger (key, amount, currency, state, attempts, settled_at)
		values ($1, 0, 'XXX', 'refunded', 0, now())
		on conflict (key) do nothing`, key)
}

// void refunds what is left of an approved charge, and ends one that is not settled; a declined one stays.
func void(ctx context.Context, tx pgx.Tx, key shop.OrderID) error {
	return postgres.Exec(ctx, tx, `
		with before as (
			select key, case state when 'approved' then amount - refunded else 0 end as rest
			from simulated_ledger where key = $1 and state in ('approved', 'trying', 'processing') for update
		), ended as (
			update simulated_ledger l set state = 'refunded', settled_at = now(), refunded = l.refunded + b.rest
			from before b where l.key = b.key
		)
		insert into simulated_refunds (id, key, amount) select key, key, rest from before where rest > 0
		on conflict (id) do nothing`, key)
}
