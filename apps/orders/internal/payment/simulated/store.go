package simulated

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/orders/internal/payment"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// attempt notes one more try of a charge and locks its entry.
func attempt(ctx context.Context, tx pgx.Tx, c payment.Charge) (ledgerEntry, error) {
	return postgres.One(ctx, tx, pgx.ErrNoRows, pgx.RowToStructByName[ledgerEntry], `
		insert into simulated_ledger (key, amount, currency, state, attempts) values ($1, $2, $3, 'trying', 1)
		on conflict (key) do update set attempts = simulated_ledger.attempts + 1
		returning state, attempts`, c.OrderID, c.Amount, c.Currency)
}

// settle is at once but for a charge that is processing, which takes a while.
func settle(ctx context.Context, tx pgx.Tx, c payment.Charge, state string, slow time.Duration) error {
	_, err := tx.Exec(ctx, `
		update simulated_ledger set state = $2, settled_at = case $2 when 'processing' then null else now() end,
			settles_at = case $2 when 'processing' then now() + $3 end, refuses = $4
		where key = $1`, c.OrderID, state, slow, c.Token == "tok_refund_refused")
	return err
}

// refusesRefunds says whether there is something left of a charge that is never given back.
func refusesRefunds(ctx context.Context, tx pgx.Tx, key shop.OrderID) (yes bool, err error) {
	err = tx.QueryRow(ctx, `
		select exists (select from simulated_ledger where key = $1 and refuses and state = 'approved' and refunded < amount)`, key).Scan(&yes)
	return yes, err
}

// find has a charge be made whose time has come. It fails with payment.ErrUnknown.
func find(ctx context.Context, tx pgx.Tx, key shop.OrderID) (ledgerEntry, error) {
	_, err := tx.Exec(ctx, `
		update simulated_ledger set state = 'approved', settled_at = settles_at
		where key = $1 and state = 'processing' and settles_at <= now()`, key)
	if err != nil {
		return ledgerEntry{}, err
	}
	return postgres.One(ctx, tx, payment.ErrNotFound, pgx.RowToStructByName[ledgerEntry], `select state, attempts from simulated_ledger where key = $1`, key)
}

// listCharges is a page of the charges that were begun in a time, were made, and are not wholly given back.
func listCharges(ctx context.Context, db postgres.Reader, since, until time.Time, after shop.OrderID, limit int) ([]payment.Record, error) {
	return postgres.All(ctx, db, pgx.RowToStructByName[payment.Record], `
		select key as order_id, key::text as reference, amount, refunded, currency, begun_at as at from simulated_ledger
		where state = 'approved' and begun_at >= $1 and begun_at < $2 and key > $3 order by key limit $4`, since, until, after, limit)
}

// insertRefund notes a refund. It answers false where it was made already; of two at once, the second waits for the first.
func insertRefund(ctx context.Context, tx pgx.Tx, r payment.Refund) (bool, error) {
	tag, err := tx.Exec(ctx, `
		insert into simulated_refunds (id, key, amount) select $1, key, $3 from simulated_ledger where key = $2
		on conflict (id) do nothing`, r.ID, r.OrderID, r.Amount)
	if err != nil || tag.RowsAffected() == 1 {
		return true, err
	}
	var made bool
	err = tx.QueryRow(ctx, `select exists (select from simulated_refunds where id = $1)`, r.ID).Scan(&made)
	return !made, err
}

// deduct answers false where a charge was not made, or has less left.
func deduct(ctx context.Context, tx pgx.Tx, r payment.Refund) (bool, error) {
	tag, err := tx.Exec(ctx, `
		update simulated_ledger set refunded = refunded + $2, settled_at = now(),
			state = case when refunded + $2 = amount then 'refunded' else state end
		where key = $1 and state = 'approved' and refunded + $2 <= amount`, r.OrderID, r.Amount)
	return tag.RowsAffected() == 1, err
}

// insertTombstone keeps a key that nobody has charged, so that a late charge is refused. XXX is "no currency" in ISO 4217.
func insertTombstone(ctx context.Context, tx pgx.Tx, key shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		insert into simulated_ledger (key, amount, currency, state, attempts, settled_at) values ($1, 0, 'XXX', 'refunded', 0, now())
		on conflict (key) do nothing`, key)
	return err
}

// void gives back what is left of a charge that was made, and ends one that was only tried; a declined one stays so.
func void(ctx context.Context, tx pgx.Tx, key shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		with before as (
			select key, case state when 'approved' then amount - refunded else 0 end as rest
			from simulated_ledger where key = $1 and state in ('approved', 'trying', 'processing') for update
		), ended as (
			update simulated_ledger l set state = 'refunded', settled_at = now(), refunded = l.refunded + b.rest
			from before b where l.key = b.key
		)
		insert into simulated_refunds (id, key, amount) select key, key, rest from before where rest > 0
		on conflict (id) do nothing`, key)
	return err
}
