package platform

import (
	"os"
	"strconv"
	"strings"
)

// tracing is what sidecars find in their environment about traces. They export to OTEL_EXPORTER_OTLP_ENDPOINT, as the
// services do; without one they make no spans.
func tracing() []string {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	url := os.Getenv(endpoint)
	if url == "" {
		return []string{"OTEL_TRACES_SAMPLER_ARG=0"}
	}
	// daprd (1.18) drops the scheme without reading it.
	insecure := strconv.FormatBool(strings.HasPrefix(url, "http://"))
	return []string{endpoint + "=" + url, "OTEL_EXPORTER_OTLP_INSECURE=" + insecure}
}
