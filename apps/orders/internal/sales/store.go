package sales

import (
	"context"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
)

// saleColumns are the lines of a sale; products are locked in the order of their keys.
func saleColumns(s Sale) (products []int64, quantities []int64, totals []string, skus, names []string) {
	for _, l := range s.Lines {
		products, quantities = append(products, l.ProductID), append(quantities, int64(l.Quantity))
		totals, skus, names = append(totals, l.Total.String()), append(skus, l.SKU), append(names, l.Name)
	}
	return products, quantities, totals, skus, names
}

func add(ctx context.Context, tx pgx.Tx, s Sale, slot int) error {
	products, quantities, totals, skus, names := saleColumns(s)
	_, err := tx.Exec(ctx, `
		with sums as (
			insert into sales (day, currency, slot, orders, gross, refunded) values ($1, $2, $3, 1, $4, 0)
			on conflict (day, currency, slot) do update set orders = sales.orders + 1, gross = sales.gross + excluded.gross
		)
		insert into product_sales (day, currency, product_id, slot, quantity, revenue, sku, name)
		select $1, $2, product_id, $3, quantity, revenue, sku, name
		from unnest($5::bigint[], $6::bigint[], $7::numeric[], $8::text[], $9::text[]) as l (product_id, quantity, revenue, sku, name)
		order by product_id
		on conflict (day, currency, product_id, slot) do update set
			quantity = product_sales.quantity + excluded.quantity, revenue = product_sales.revenue + excluded.revenue,
			sku = excluded.sku, name = excluded.name`,
		s.day().Time, s.Currency, slot, s.Amount, products, quantities, totals, skus, names)
	return err
}

// subtract may leave one slot below zero; what counts is the sum of all.
func subtract(ctx context.Context, tx pgx.Tx, s Sale, slot int) error {
	products, quantities, totals, skus, names := saleColumns(s)
	_, err := tx.Exec(ctx, `
		with sums as (
			insert into sales (day, currency, slot, orders, gross, refunded) values ($1, $2, $3, $10, 0, $4)
			on conflict (day, currency, slot) do update set
				orders = sales.orders + excluded.orders, refunded = sales.refunded + excluded.refunded
		)
		insert into product_sales (day, currency, product_id, slot, quantity, revenue, sku, name)
		select $1, $2, product_id, $3, -quantity, -revenue, sku, name
		from unnest($5::bigint[], $6::bigint[], $7::numeric[], $8::text[], $9::text[]) as l (product_id, quantity, revenue, sku, name)
		order by product_id
		on conflict (day, currency, product_id, slot) do update set
			quantity = product_sales.quantity + excluded.quantity, revenue = product_sales.revenue + excluded.revenue`,
		s.day().Time, s.Currency, slot, s.Amount, products, quantities, totals, skus, names, orderCount(s))
	return err
}

func orderCount(s Sale) int {
	if s.Whole {
		return -1
	}
	return 0
}

// currencies in which something was sold, those with the most orders first.
func currencies(ctx context.Context, db postgres.Reader, from, to Day) ([]string, error) {
	all, err := postgres.All(ctx, db, pgx.RowTo[string], `
		select currency from sales where day between $1 and $2 group by currency order by sum(orders) desc, currency`, from.Time, to.Time)
	if all == nil {
		all = []string{}
	}
	return all, err
}

func byDay(ctx context.Context, db postgres.Reader, from, to Day, currency string) ([]DailySales, error) {
	rows, err := db.Query(ctx, `
		select day, sum(orders)::bigint as orders, sum(gross) as gross, sum(refunded) as refunded
		from sales where day between $1 and $2 and currency = $3 group by day order by day`, from.Time, to.Time, currency)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d DailySales, err error) {
		err = row.Scan(&d.Day.Time, &d.Orders, &d.Gross, &d.Refunded)
		return d, err
	})
}

func top(ctx context.Context, db postgres.Reader, from, to Day, currency string, n int) ([]ProductSales, error) {
	all, err := postgres.All(ctx, db, pgx.RowToStructByName[ProductSales], `
		select product_id, max(sku) as sku, max(name) as name, sum(quantity)::bigint as quantity, sum(revenue) as revenue
		from product_sales where day between $1 and $2 and currency = $3
		group by product_id having sum(quantity) > 0 order by sum(revenue) desc, product_id limit $4`, from.Time, to.Time, currency, n)
	if all == nil {
		all = []ProductSales{}
	}
	for i := range all {
		if all[i].Revenue, err = all[i].Revenue.In(currency); err != nil {
			return nil, err
		}
	}
	return all, err
}
