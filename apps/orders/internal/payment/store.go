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

// refund leaves a declined charge as it is; a key nobody has charged is kept, so that a late charge is refused.
func refund(ctx context.Context, tx pgx.Tx, key shop.OrderID) error {
	_, err := tx.Exec(ctx, `
		insert into simulated_ledger (key, amount, currency, state, attempts, settled_at) values ($1, 0, 'XXX', 'refunded', 0, now())
		on conflict (key) do update set state = 'refunded', settled_at = now()
		where simulated_ledger.state in ('approved', 'trying')`, key)
	return err
}
