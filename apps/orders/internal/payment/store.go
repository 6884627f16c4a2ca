package payment

import (
	"context"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/shop"
)

// attempt notes one more try of a charge and locks its entry.
func attempt(ctx context.Context, tx pgx.Tx, c Charge) (entry, error) {
	rows, err := tx.Query(ctx, `
		insert into simulated_ledger (key, amount, currency, state, attempts) values ($1, $2, $3, 'trying', 1)
		on conflict (key) do update set attempts = simulated_ledger.attempts + 1
		returning state, attempts`, c.Key, c.Amount, c.Currency)
	if err != nil {
		return entry{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[entry])
}

func settle(ctx context.Context, tx pgx.Tx, key shop.OrderID, state string) error {
	_, err := tx.Exec(ctx, `update simulated_ledger set state = $2, settled_at = now() where key = $1`, key, state)
	return err
}

// giveBack notes a refund. It answers false where it was made already; of two at once, the second waits for the first.
func giveBack(ctx context.Context, tx pgx.Tx, r Refund) (bool, error) {
	tag, err := tx.Exec(ctx, `
		insert into simulated_refunds (id, key, amount) select $1, key, $3 from simulated_ledger where key = $2
		on conflict (id) do nothing`, r.ID, r.Key, r.Amount)
	if err != nil || tag.RowsAffected() == 1 {
		return true, err
	}
	var made bool
	err = tx.QueryRow(ctx, `select exists (select from simulated_refunds where id = $1)`, r.ID).Scan(&made)
	return !made, err
}

// deduct answers false where a charge was not made, or has less left.
func deduct(ctx context.Context, tx pgx.Tx, r Refund) (bool, error) {
	tag, err := tx.Exec(ctx, `
		update simulated_ledger set refunded = refunded + $2, settled_at = now(),
			state = case when refunded + $2 = amount then 'refunded' else state end
		where key = $1 and state = 'approved' and refunded + $2 <= amount`, r.Key, r.Amount)
	return tag.RowsAffected() == 1, err
}

// forestall keeps a key that nobody has charged, so that a late charge is refused.
func forestall(ctx context.Context, tx pgx.Tx, key shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		insert into simulated_ledger (key, amount, currency, state, attempts, settled_at) values ($1, 0, 'XXX', 'refunded', 0, now())
		on conflict (key) do nothing`, key)
	return err
}

// callOff gives back what is left of a charge that was made, and ends one that was only tried; a declined one stays so.
func callOff(ctx context.Context, tx pgx.Tx, key shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		with before as (
			select key, case state when 'approved' then amount - refunded else 0 end as rest
			from simulated_ledger where key = $1 and state in ('approved', 'trying') for update
		), ended as (
			update simulated_ledger l set state = 'refunded', settled_at = now(), refunded = l.refunded + b.rest
			from before b where l.key = b.key
		)
		insert into simulated_refunds (id, key, amount) select key, key, rest from before where rest > 0
		on conflict (id) do nothing`, key)
	return err
}
