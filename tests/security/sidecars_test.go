package security_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sidecart/kit/shop"
	"sidecart/tests/client"
	"sidecart/tests/platform"
)

var allApps = []string{"gateway", "users", "products", "orders", "notifications"}

// sidecar returns a client of an app's sidecar.
func sidecar(app string) client.Client {
	return client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", running.Port(app+"-dapr", "http"))}
}

// tokens returns the token of an app's sidecar and the token of the app.
func tokens(t *testing.T, app string) (dapr, own string) {
	t.Helper()
	dapr, own, err := running.Token(app)
	must(t, err)
	if len(dapr) < 32 || len(own) < 32 || dapr == own {
		t.Fatalf("%s has the tokens %q and %q", app, dapr, own)
	}
	return dapr, own
}

// as sends a request to an app's sidecar with the app's token.
func as(t *testing.T, app, call string, body any, headers ...string) client.Response {
	t.Helper()
	token, _ := tokens(t, app)
	return do(t, sidecar(app), call, body, append(headers, "dapr-api-token", token)...)
}

// invoke invokes an app as another one, through both sidecars.
func invoke(t *testing.T, by, of, call string, headers ...string) client.Response {
	t.Helper()
	return as(t, by, call, client.Raw(`{}`), append(headers, "dapr-app-id", of)...)
}

// refusedBySidecar fails the test unless a sidecar refuses and reveals no internals.
func refusedBySidecar(t *testing.T, what string, res client.Response, want ...int) {
	t.Helper()
	if !slices.Contains(want, res.Status) {
		t.Errorf("%s: %d, want %v: %.300s", what, res.Status, want, res.Body)
	}
	for _, word := range []string{"goroutine ", ".go:", "panic", "runtime error", "/pkg/mod/"} {
		if strings.Contains(string(res.Body), word) {
			t.Errorf("%s: the response reveals %q: %.500s", what, word, res.Body)
		}
	}
}

// TestSidecarsRequireTheTokenOfTheirApp: a sidecar refuses calls without the token of its app.
func TestSidecarsRequireTheTokenOfTheirApp(t *testing.T) {
	t.Parallel()
	calls := []string{
		"GET /v1.0/secrets/secrets/JWT_SECRET_KEY", "GET /v1.0/secrets/secrets/bulk", "POST /v1.0/publish/pubsub/orders.paid",
		"PUT /v1.0/invoke/products/method/reservations/1", "GET /v1.0/invoke/users/method/.well-known/jwks.json", "GET /v1.0/metadata",
		"PUT /v1.0/metadata/x", "POST /v1.0/shutdown", "GET /v1.0/state/workflows/x", "POST /v1.0/state/workflows",
		"POST /v1.0/bindings/sms", "POST /v1.0/jobs/x", "POST /v1.0-alpha1/jobs/x", "GET /v1.0-alpha1/jobs/x", "DELETE /v1.0-alpha1/jobs/x",
		"POST /v1.0/workflows/dapr/fulfil/start", "POST /v1.0/workflows/dapr/x/terminate",
		"GET /v1.0/configuration/configuration", "POST /v1.0/actors/x/1/method/y",
	}
	for i, app := range allApps {
		otherToken, own := tokens(t, allApps[(i+1)%len(allApps)])
		for _, call := range calls {
			for what, token := range map[string]string{
				"no token": "", "another app's token": otherToken, "another sidecar's token": own,
				"an invented token": strings.Repeat("a", 48),
			} {
				var headers []string
				if token != "" {
					headers = []string{"dapr-api-token", token}
				}
				refusedBySidecar(t, app+" "+call+" with "+what, do(t, sidecar(app), call, client.Raw(`{}`), headers...), 401)
			}
		}
		platform.Eventually(t, 30*time.Second, func() error { // the liveness probe is public
			return do(t, sidecar(app), "GET /v1.0/healthz", nil).Into(204, nil)
		})
	}
}

// grpcSidecar connects to the gRPC port of an app's sidecar.
func grpcSidecar(t *testing.T, app string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address(running.Port(app+"-dapr", "grpc")),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestSidecarsRequireTheTokenOfTheirAppOverGRPC is the same for the gRPC port, which also serves the workflow engine.
func TestSidecarsRequireTheTokenOfTheirAppOverGRPC(t *testing.T) {
	t.Parallel()
	otherToken, _ := tokens(t, "users")
	for _, app := range []string{"gateway", "products", "orders", "notifications"} {
		conn := grpcSidecar(t, app)
		for _, method := range []string{
			"/dapr.proto.runtime.v1.Dapr/GetSecret", "/dapr.proto.runtime.v1.Dapr/GetBulkSecret", "/dapr.proto.runtime.v1.Dapr/PublishEvent",
			"/dapr.proto.runtime.v1.Dapr/InvokeService", "/dapr.proto.runtime.v1.Dapr/GetMetadata",
			"/dapr.proto.runtime.v1.Dapr/ScheduleJob", "/dapr.proto.runtime.v1.Dapr/ScheduleJobAlpha1",
			"/dapr.proto.runtime.v1.Dapr/InvokeBinding", "/dapr.proto.runtime.v1.Dapr/StartWorkflowBeta1",
			"/TaskHubSidecarService/StartInstance", "/TaskHubSidecarService/TerminateInstance", "/TaskHubSidecarService/Hello",
		} {
			for what, token := range map[string]string{"no token": "", "another app's token": otherToken} {
				ctx := t.Context()
				if token != "" {
					ctx = metadata.AppendToOutgoingContext(ctx, "dapr-api-token", token)
				}
				err := conn.Invoke(ctx, method, message{}, &message{}, grpc.ForceCodec(bytesCodec{}))
				if status.Code(err) != codes.Unauthenticated {
					t.Errorf("%s %s with %s: %v", app, method, what, err)
				}
			}
		}
	}
}

// TestAppsRequireTheTokenOfTheirSidecar: an app refuses every request on its own port that does not come from its
// sidecar, also with an admin's token.
func TestAppsRequireTheTokenOfTheirSidecar(t *testing.T) {
	t.Parallel()
	root := admin(t)
	calls := []string{
		"GET /dapr/subscribe", "GET /dapr/config", "POST /events/dead", "POST /job/resume-stuck-orders", "POST /job/x", "POST /email",
		"OPTIONS /email",
		"PUT /reservations/0192f0c1-2d3e-7abc-8def-0123456789ab",
		"DELETE /reservations/0192f0c1-2d3e-7abc-8def-0123456789ab", "POST /mail-tokens/x",
		"GET /revocations", "GET /orders", "POST /orders", "GET /users", "GET /products", "GET /notifications", "POST /auth/login", "GET /nothing",
	}
	for _, e := range shop.Events {
		calls = append(calls, "POST /events/"+e.Event.Topic())
	}
	for i, app := range allApps[1:] { // the gateway's port is public
		another := allApps[1:][(i+1)%4]
		foreign, ownOfAnother := tokens(t, another)
		dapr, _ := tokens(t, app)
		direct := client.Client{Base: running.Address(app), Token: root.Token}
		for _, call := range calls {
			for what, token := range map[string]string{
				"no token": "", "its sidecar's token": dapr,
				"another sidecar's token": foreign, "another app's token": ownOfAnother,
			} {
				var headers []string
				if token != "" {
					headers = []string{"dapr-api-token", token, "dapr-app-id", app, "dapr-caller-app-id", "gateway"}
				}
				refused(t, app+" "+call+" with "+what, do(t, direct, call, client.Raw(`{}`), headers...), "sidecar_token", 401)
			}
		}
	}
}
