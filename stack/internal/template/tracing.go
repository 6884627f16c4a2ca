package template

import (
	"strconv"
	"strings"
)

// TracingEndpoint is the variable that says where sidecars and services export traces.
const TracingEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"

// Tracing is the environment of a sidecar for traces. It exports to the endpoint, as its service does; without one it
// records no spans.
func Tracing(endpoint string) []string {
	if endpoint == "" {
		return []string{"OTEL_TRACES_SAMPLER_ARG=0"}
	}
	// daprd 1.18 ignores the scheme.
	insecure := strconv.FormatBool(strings.HasPrefix(endpoint, "http://"))
	return []string{TracingEndpoint + "=" + endpoint, "OTEL_EXPORTER_OTLP_INSECURE=" + insecure}
}
