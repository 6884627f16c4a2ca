package event_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// BenchmarkRelay publishes what waits in an outbox, of many orders and of few, to a broker that takes a millisecond for each:
//
//	.sidecart/bin/stack test -- go test ./kit/event -run - -bench Relay
func BenchmarkRelay(b *testing.B) {
	for _, orders := range []int{1000, 4} {
		b.Run(fmt.Sprintf("%d keys", orders), func(b *testing.B) {
			db := kittest.DB(b, event.Migrations)
			keys := make([]shop.OrderID, orders)
			for i := range keys {
				keys[i].UUID = shop.NewID()
			}
			err := pgx.BeginFunc(b.Context(), db, func(tx pgx.Tx) error {
				for n := range b.N {
					if err := event.Emit(b.Context(), tx, shop.OrderCancelled{OrderID: keys[n%orders]}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			var published atomic.Int64
			ctx, stop := context.WithCancel(b.Context())
			b.ResetTimer()
			_ = event.Relay(ctx, db, "orders", func(context.Context, string, []byte) error {
				<-time.After(time.Millisecond)
				if published.Add(1) == int64(b.N) {
					stop()
				}
				return nil
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
