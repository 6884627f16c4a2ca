package sales

import (
	"context"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
)

// add adds delta to the totals of a day, and the lines of a sale, multiplied by sign, to those of the products.
// Products are locked in the order of their keys. A single slot may become negative; only the sum of all slots counts.
func add(ctx context.Context, tx pgx.Tx, s Sale, delta Totals, sign int) error {
	var products, quantities []int64
	var totals, skus, names []string
	for _, l := range s.Lines {
		products, quantities = append(products, l.ProductID), append(quantities, int64(l.Quantity))
		totals, skus, names = append(totals, l.Total.String()), append(skus, l.SKU), append(names, l.Name)
	}
	return postgres.Exec(ctx, tx, `
		with totals as (
			insert into sales (day, currency, slot, orders, gross, refunded) values ($1, $2, $3, $4, $5, $6)
			on conflict (day, currency, slot) do update set orders = sales.orders + excluded.orders,
				gross = sales.gross + excluded.gross, refunded = sales.refunded + excluded.refunded
		)
		insert into product_sales (day, currency, product_id, slot, quantity, revenue, sku, name)
		select $1, $2, product_id, $3, quantity * $7::int, revenue * $7::int, sku, name
		from unnest($8::bigint[], $9::bigint[], $10::numeric[], $11::text[], $12::text[])
			as l (product_id, quantity, revenue, sku, name)
		order by product_id
		on conflict (day, currency, product_id, slot) do update set
			quantity = product_sales.quantity + excluded.quantity, revenue = product_sales.revenue + excluded.revenue,
			sku = case when $7 > 0 then excluded.sku else product_sales.sku end,
			name = case when $7 > 0 then excluded.name else product_sales.name end`,
		DayOf(s.PaidAt).t, s.Currency, slot(), delta.Orders, delta.Gross, delta.Refunded, sign,
		products, quantities, totals, skus, names)
}

// currencies are those of the sales in a time range, by the number of orders.
func currencies(ctx context.Context, db postgres.Reader, from, to Day) ([]string, error) {
	all, err := postgres.All(ctx, db, pgx.RowTo[string], `
		select currency from sales where day between $1 and $2
		group by currency order by sum(orders) desc, currency`, from.t, to.t)
	if all == nil {
		all = []string{}
	}
	return all, err
}

func byDay(ctx context.Context, db postgres.Reader, from, to Day, currency string) ([]DailySales, error) {
	rows, err := db.Query(ctx, `
		select day, sum(orders)::bigint as orders, sum(gross) as gross, sum(refunded) as refunded
		from sales where day between $1 and $2 and currency = $3
		group by day order by day`, from.t, to.t, currency)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d DailySales, err error) {
		err = row.Scan(&d.Day.t, &d.Orders, &d.Gross, &d.Refunded)
		return d, err
	})
}

func top(ctx context.Context, db postgres.Reader, from, to Day, currency string, n int) ([]ProductSales, error) {
	all, err := postgres.All(ctx, db, pgx.RowToStructByName[ProductSales], `
		select product_id, max(sku) as sku, max(name) as name, sum(quantity)::bigint as quantity,
			sum(revenue) as revenue
		from product_sales where day between $1 and $2 and currency = $3
		group by product_id having sum(quantity) > 0
		order by sum(revenue) desc, product_id limit $4`, from.t, to.t, currency, n)
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
