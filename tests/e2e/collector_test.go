package e2e_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
)

// traceCollector is an OTLP collector over gRPC. It records the spans of each trace.
type traceCollector struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	spans map[string]map[string]bool // by trace id and "service scope span"
}

// newCollector listens, and configures the platform that starts next to send its traces to it.
func newCollector() (*traceCollector, error) {
	t := &traceCollector{spans: map[string]map[string]bool{}}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, t)
	go func() { _ = server.Serve(listener) }() // until the test program ends
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + listener.Addr().String(), "OTEL_BSP_SCHEDULE_DELAY": "500",
	} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Export receives spans.
func (t *traceCollector) Export(
	_ context.Context, in *collector.ExportTraceServiceRequest,
) (*collector.ExportTraceServiceResponse, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, resource := range in.GetResourceSpans() {
		service := ""
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				id := hex.EncodeToString(span.GetTraceId())
				if t.spans[id] == nil {
					t.spans[id] = map[string]bool{}
				}
				t.spans[id][service+" "+scope.GetScope().GetName()+" "+span.GetName()] = true
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// missing fails unless a trace has a span for each pattern of "service scope span".
func (t *traceCollector) missing(id string, patterns ...string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, pattern := range patterns {
		expected := regexp.MustCompile("^" + pattern)
		if !slices.ContainsFunc(slices.Collect(maps.Keys(t.spans[id])), expected.MatchString) {
			found := strings.Join(slices.Sorted(maps.Keys(t.spans[id])), "\n")
			return fmt.Errorf("trace %s has no span %s, only\n%s", id, pattern, found)
		}
	}
	return nil
}
