package journey_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"sync"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
)

// traces is a collector of traces, as an operator has one (OTLP over gRPC). It remembers which services were part of which trace.
type traces struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	parts map[string]map[string]bool // by trace id and service
}

// collect listens, and tells the platform that starts next to send its traces here.
func collect() (*traces, error) {
	t := &traces{parts: map[string]map[string]bool{}}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, t)
	go func() { _ = server.Serve(listener) }() // until the test program ends
	for name, value := range map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + listener.Addr().String(), "OTEL_BSP_SCHEDULE_DELAY": "500"} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Export takes what a service sends.
func (t *traces) Export(_ context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
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
				if t.parts[id] == nil {
					t.parts[id] = map[string]bool{}
				}
				t.parts[id][service] = true
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// lacks fails unless each of the services was part of a trace.
func (t *traces) lacks(id string, services ...string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range services {
		if !t.parts[id][s] {
			return fmt.Errorf("%s is not part of trace %s, only %v", s, id, t.parts[id])
		}
	}
	return nil
}
