package web

import (
	"log/slog"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"sidecart/kit/fault"
)

// DurationBounds are the buckets of the histogram of request durations, in seconds.
var DurationBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// observe gives each request an id, a span that continues the caller's trace, and a measurement of its duration.
func observe(name string) fiber.Handler {
	tracer := otel.Tracer("sidecart/kit/web")
	duration, err := otel.Meter("sidecart/kit/web").Float64Histogram("http.server.request.duration", metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(DurationBounds...))
	if err != nil {
		panic(err)
	}
	propagator := propagation.TraceContext{}
	var labels sync.Map // metric.MeasurementOption by label, built once each
	return func(c *fiber.Ctx) error {
		start := time.Now()
		ctx := propagator.Extract(c.UserContext(), requestHeaders{c})
		ctx, span := tracer.Start(ctx, name+" "+c.Method(), trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		c.SetUserContext(ctx)
		c.Set(fiber.HeaderXRequestID, requestID(c))
		propagator.Inject(ctx, responseHeaders{c})

		err := c.Next()
		if err != nil {
			if respondErr := c.App().ErrorHandler(c, err); respondErr != nil {
				return respondErr
			}
		}
		label := label{c.Method(), c.Route().Path, c.Response().StatusCode()}
		if label.status >= fault.Internal.Status() {
			span.SetStatus(codes.Error, "")
		}
		if span.IsRecording() {
			span.SetName(label.method + " " + label.route)
		}
		took := time.Since(start)
		duration.Record(ctx, took.Seconds(), label.option(&labels))
		slog.DebugContext(ctx, "request", "method", label.method, "path", c.Path(), "status", label.status, "took", took)
		return nil
	}
}

type label struct {
	method, route string
	status        int
}

func (l label) option(built *sync.Map) metric.MeasurementOption {
	if o, ok := built.Load(l); ok {
		return o.(metric.MeasurementOption)
	}
	o := metric.WithAttributeSet(attribute.NewSet(attribute.String("http.request.method", l.method),
		attribute.String("http.route", l.route), attribute.String("http.response.status_code", strconv.Itoa(l.status))))
	built.Store(l, o)
	return o
}

// requestID is the client's id if it is safe to log and send, else a new one.
func requestID(c *fiber.Ctx) string {
	if id := c.Get(fiber.HeaderXRequestID); safeID.MatchString(id) {
		return id
	}
	return uuid.NewString()
}

var safeID = regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`)

type requestHeaders struct{ c *fiber.Ctx }

func (h requestHeaders) Get(key string) string { return h.c.Get(key) }
func (h requestHeaders) Set(key, value string) { h.c.Request().Header.Set(key, value) }
func (h requestHeaders) Keys() []string        { return []string{"traceparent", "tracestate"} }

type responseHeaders struct{ c *fiber.Ctx }

func (h responseHeaders) Get(key string) string { return string(h.c.Response().Header.Peek(key)) }
func (h responseHeaders) Set(key, value string) { h.c.Set(key, value) }
func (h responseHeaders) Keys() []string        { return []string{"traceparent", "tracestate"} }
