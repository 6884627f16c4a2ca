package event_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// BenchmarkRelay publishes the events of many orders and of few to a broker that takes a millisecond for each event:
//
//	.sidecart/bin/stack test -- go test ./kit/event -run - -bench Relay
func BenchmarkRelay(b *testing.B) {
	for _, orders := range []int{1000, 4} {
		b.Run(fmt.Sprintf("%d keys", orders), func(b *testing.B) {
			db := event.NewOutbox(kittest.DB(b, event.Migrations))
			keys := make([]shop.OrderID, orders)
			for i := range keys {
				keys[i].UUID = shop.NewID()
			}
			err := db.Tx(b.Context(), func(tx event.TX) error {
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
			}, true)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkEmit runs sixteen callers with a transaction for each event, beside the relay.
func BenchmarkEmit(b *testing.B) {
	db := event.NewOutbox(kittest.DB(b, event.Migrations))
	var published atomic.Int64
	ctx, stop := context.WithCancel(b.Context())
	var relay sync.WaitGroup
	relay.Go(func() {
		_ = event.Relay(ctx, db, "orders", func(context.Context, string, []byte) error {
			published.Add(1)
			return nil
		}, true)
	})
	b.SetParallelism(16 / runtime.GOMAXPROCS(0))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			err := db.Tx(b.Context(), func(tx event.TX) error {
				return event.Emit(b.Context(), tx, shop.OrderCancelled{OrderID: shop.OrderID{UUID: shop.NewID()}})
			})
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	for published.Load() < int64(b.N) {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	stop()
	relay.Wait()
}
