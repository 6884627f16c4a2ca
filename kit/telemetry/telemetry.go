// Package telemetry sets up traces, metrics and JSON logs with trace ids.
package telemetry

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
)

// Exporting reports whether traces are exported: OTEL_EXPORTER_OTLP_ENDPOINT names a collector.
func Exporting() bool { return strings.TrimSpace(os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")) != "" }

// Start sets the process's logger, meter and tracer, and returns a function that flushes them. Logs go to standard
// error as JSON at LOG_LEVEL (debug, info, warn, error; default info). Traces are exported to
// OTEL_EXPORTER_OTLP_ENDPOINT; without it they are propagated and not recorded. Metrics are served at /metrics. It
// fails only on an invalid endpoint.
func Start(ctx context.Context, service string) (stop func(), err error) {
	var level slog.Level
	if level.UnmarshalText([]byte(os.Getenv("LOG_LEVEL"))) != nil {
		level = slog.LevelInfo
	}
	handler := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})
	slog.SetDefault(slog.New(traced{handler}).With("service", service))

	self := resource.NewSchemaless(semconv.ServiceName(service))
	reader, err := prometheus.New()
	if err != nil {
		return nil, err
	}
	otel.SetMeterProvider(metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(self)))
	otel.SetTextMapPropagator(propagation.TraceContext{})

	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(self), sdktrace.WithSampler(sdktrace.NeverSample())}
	if Exporting() {
		exporter, err := otlptracegrpc.New(ctx)
		if err != nil {
			return nil, err
		}
		options = append(options, sdktrace.WithBatcher(exporter), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())))
	}
	tracer := sdktrace.NewTracerProvider(options...)
	otel.SetTracerProvider(tracer)
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := tracer.Shutdown(ctx); err != nil {
			slog.WarnContext(ctx, "traces not flushed", "err", err)
		}
	}, nil
}

// TraceID returns the 32 hex digits of ctx's trace, or empty.
func TraceID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		return sc.TraceID().String()
	}
	return ""
}

// TraceParent returns the W3C traceparent of ctx, or empty. WithTraceParent is its inverse.
func TraceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}

// WithTraceParent continues the trace of a traceparent. An invalid one is ignored.
func WithTraceParent(ctx context.Context, traceparent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

// traced adds trace ids to log records.
type traced struct{ slog.Handler }

func (h traced) Handle(ctx context.Context, r slog.Record) error {
	if id := TraceID(ctx); id != "" {
		r.AddAttrs(slog.String("trace_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }
func (h traced) WithGroup(name string) slog.Handler       { return traced{h.Handler.WithGroup(name)} }
