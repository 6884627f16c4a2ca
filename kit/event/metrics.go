package event

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
)

// measure registers gauges of the outbox and of dead letters, which are read at each collection of metrics. The
// returned function unregisters them.
func (r *relay) measure() (unregister func()) {
	meter := otel.Meter("sidecart/kit/event")
	waiting, err1 := meter.Int64ObservableGauge("outbox.events",
		metric.WithDescription("events that wait to be published"))
	oldest, err2 := meter.Float64ObservableGauge("outbox.age", metric.WithUnit("s"),
		metric.WithDescription("age of the oldest event that waits to be published"))
	failing, err3 := meter.Int64ObservableGauge("outbox.failing_keys",
		metric.WithDescription("keys whose next event this replica could not publish"))
	dead, err4 := meter.Int64ObservableGauge("dead_letters", metric.WithDescription("events that could not be handled"))
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			panic(err) // only for an invalid name
		}
	}
	registration, err := meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		var events, letters int64
		var age float64
		err := r.QueryRow(ctx, `
			select count(*), coalesce(extract(epoch from now() - min(emitted_at)), 0)::float8, (select count(*) from dead_letters)
			from outbox`).Scan(&events, &age, &letters)
		if err != nil {
			return err
		}
		o.ObserveInt64(failing, r.failing.size.Load())
		o.ObserveInt64(waiting, events)
		o.ObserveFloat64(oldest, age)
		o.ObserveInt64(dead, letters)
		return nil
	}, waiting, oldest, failing, dead)
	if err != nil {
		panic(err)
	}
	return func() {
		if err := registration.Unregister(); err != nil {
			slog.Warn("outbox metrics not unregistered", "err", err)
		}
	}
}
