package security_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sidecart/kit/shop"
	"sidecart/tests/client"
)

// TestForbiddenCalls: a compromised app invokes, through its own sidecar and with its own token, what its access list
// does not allow.
func TestForbiddenCalls(t *testing.T) {
	t.Parallel()
	root := admin(t)
	id := "0192f0c1-2d3e-7abc-8def-0123456789ab"
	before := blockedCalls(t, "products")
	for _, tt := range []struct{ by, of, call string }{
		{"notifications", "products", "PUT /reservations/" + id},
		{"gateway", "products", "PUT /reservations/" + id},
		{"gateway", "products", "DELETE /reservations/" + id},
		{"gateway", "products", "DELETE /reservations/" + id + "/held"},
		{"gateway", "products", "POST /reservations/" + id + "/commit"},
		{"users", "products", "PUT /reservations/" + id},
		{"orders", "products", "PATCH /reservations/" + id},
		{"orders", "products", "POST /reservations/" + id + "/release"},
		{"orders", "products", "GET /products"},
		{"orders", "users", "GET /users"},
		{"orders", "users", "POST /auth/login"},
		{"notifications", "orders", "GET /orders"},
		{"products", "orders", "POST /orders"},
		{"users", "notifications", "GET /notifications"},
		{"gateway", "users", "POST /mail-tokens/" + id},
		{"products", "users", "POST /mail-tokens/" + id},
		{"gateway", "users", "DELETE /auth/login"},
		{"gateway", "users", "PUT /users/me"},
		{"gateway", "orders", "POST /events/orders.paid"},
		{"gateway", "orders", "POST /events/dead"},
		{"gateway", "orders", "GET /dapr/subscribe"},
		{"gateway", "orders", "POST /job/resume-stuck-orders"},
		{"gateway", "orders", "GET /metrics"},
		{"orders", "gateway", "GET /health/services"},
		{"users", "gateway", "POST /api/v1/auth/login"},
		// The same paths in other spellings.
		{"gateway", "products", "PUT /RESERVATIONS/" + id},
		{"gateway", "products", "PUT /reservations/" + id + "/"},
		{"gateway", "products", "PUT //reservations/" + id},
		{"gateway", "products", "PUT /products/../reservations/" + id},
		{"gateway", "products", "PUT /products/%2e%2e/reservations/" + id},
		{"gateway", "products", "PUT /reservations%2f" + id},
		{"gateway", "products", "PUT /%72eservations/" + id},
	} {
		what := tt.by + " invokes " + tt.of + ": " + tt.call
		refusedBySidecar(t, what, invoke(t, tt.by, tt.of, tt.call, "Authorization", "Bearer "+root.Token), 403)
		method, path, _ := strings.Cut(tt.call, " ")
		byPath := method + " /v1.0/invoke/" + tt.of + "/method" + path
		refusedBySidecar(t, what+" by path", as(t, tt.by, byPath, client.Raw(`{}`), "Authorization", "Bearer "+root.Token), 403)
	}
	if n := blockedCalls(t, "products") - before; n < 20 {
		t.Errorf("the metrics of products' sidecar show %d refused calls", n)
	}
	// Allowed calls, to which the apps themselves respond.
	for _, tt := range []struct {
		by, of, call string
		want         int
	}{
		{"gateway", "users", "GET /.well-known/jwks.json", 200},
		{"notifications", "users", "POST /mail-tokens/" + id, 404},
		{"gateway", "products", "GET /products", 200},
		{"gateway", "orders", "GET /orders", 401},
		{"orders", "products", "PUT /reservations/" + id, 422},
		{"orders", "products", "DELETE /reservations/" + id, 204},
	} {
		if res := invoke(t, tt.by, tt.of, tt.call); res.Status != tt.want {
			t.Errorf("%s may invoke %s: %s: %d, want %d: %s", tt.by, tt.of, tt.call, res.Status, tt.want, res.Body)
		}
	}
}

var blockedMetric = regexp.MustCompile(`(?m)^dapr_runtime_acl_(?:app|global)_policy_action_blocked_total\{[^}]*\} (\d+)`)

// blockedCalls returns the number of calls that an app's sidecar has refused by its access list.
func blockedCalls(t *testing.T, app string) (n int) {
	t.Helper()
	metrics := client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", running.Port(app+"-dapr", "metrics"))}
	for _, line := range blockedMetric.FindAllStringSubmatch(string(do(t, metrics, "GET /metrics", nil).Body), -1) {
		count, err := strconv.Atoi(line[1])
		must(t, err)
		n += count
	}
	return n
}

// TestForbiddenTopics: an app publishes its own events only.
func TestForbiddenTopics(t *testing.T) {
	t.Parallel()
	publishers := map[string]string{}
	for _, e := range shop.Events {
		publishers[e.Event.Topic()] = e.Publisher
	}
	for _, app := range []string{"users", "products", "orders", "notifications"} {
		for topic, publisher := range publishers {
			if app != publisher {
				refusedBySidecar(t, app+" publishes "+topic, as(t, app, "POST /v1.0/publish/pubsub/"+topic, client.Raw(`{}`)), 403)
			}
		}
		for _, topic := range []string{"made.up", "users.dead", "gateway.dead", "*", "orders.paid,orders.placed"} {
			refusedBySidecar(t, app+" publishes "+topic, as(t, app, "POST /v1.0/publish/pubsub/"+topic, client.Raw(`{}`)), 403)
		}
		refusedBySidecar(t, app+" publishes in bulk", as(t, app, "POST /v1.0-alpha1/publish/bulk/pubsub/made.up",
			client.Raw(`[{"entryId":"1","event":{},"contentType":"application/json"}]`)), 403)
	}
	for _, at := range []struct{ app, topic string }{
		{"gateway", "notifications.created"}, {"gateway", "made.up"}, {"notifications", "made.up"},
	} {
		refusedBySidecar(t, at.app+" broadcasts "+at.topic, as(t, at.app, "POST /v1.0/publish/broadcast/"+at.topic, client.Raw(`{}`)), 403)
	}
	must(t, as(t, "users", "POST /v1.0/publish/pubsub/platform.heartbeat", client.Raw(`{}`)).Into(204, nil))
}

// TestForbiddenSubscriptions: an app subscribes to its own topics only.
func TestForbiddenSubscriptions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ app, component, topic string }{
		{"products", "pubsub", "users.registered"}, {"products", "pubsub", "made.up"}, {"users", "pubsub", "orders.paid"},
		{"users", "pubsub", "users.registered"}, {"users", "pubsub", "made.up"}, {"notifications", "pubsub", "products.changed"},
		{"notifications", "pubsub", "made.up"}, {"orders", "pubsub", "notifications.dead"}, {"orders", "pubsub", "made.up"},
		{"gateway", "broadcast", "made.up"}, {"notifications", "broadcast", "notifications.created"}, {"notifications", "broadcast", "made.up"},
	} {
		token, _ := tokens(t, tt.app)
		stream, err := grpcSidecar(t, tt.app).NewStream(metadata.AppendToOutgoingContext(t.Context(), "dapr-api-token", token),
			&grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
			"/dapr.proto.runtime.v1.Dapr/SubscribeTopicEventsAlpha1", grpc.ForceCodec(bytesCodec{}))
		must(t, err)
		must(t, stream.SendMsg(message{1: message{1: tt.component, 2: tt.topic}}))
		var event message
		if err := stream.RecvMsg(&event); err == nil || !strings.Contains(err.Error(), "not allowed") {
			t.Errorf("%s subscribes to %s of %s: %v", tt.app, tt.topic, tt.component, err)
		}
	}
}

// TestForbiddenSecrets: an app reads its own secrets only, one by one or in bulk.
func TestForbiddenSecrets(t *testing.T) {
	t.Parallel()
	own := map[string][]string{
		"gateway": {"redis-password"}, "users": {"JWT_SECRET_KEY", "users-database-url"}, "products": {"products-database-url"},
		"orders": {"orders-database-url"}, "notifications": {"notifications-database-url"},
	}
	all := slices.Concat(slices.Collect(maps.Values(own))...)
	for app, own := range own {
		for _, name := range all {
			res := as(t, app, "GET /v1.0/secrets/secrets/"+name, nil)
			if slices.Contains(own, name) {
				must(t, res.Into(200, nil))
				continue
			}
			refusedBySidecar(t, app+" reads "+name, res, 403)
		}
		var bulk map[string]map[string]string
		must(t, json.Unmarshal(as(t, app, "GET /v1.0/secrets/secrets/bulk", nil).Body, &bulk))
		for _, name := range all {
			if _, given := bulk[name]; given && !slices.Contains(own, name) {
				t.Errorf("%s reads %s in bulk", app, name)
			}
		}
	}
}

// TestForbiddenComponents: an app uses its own components only.
func TestForbiddenComponents(t *testing.T) {
	t.Parallel()
	refusedBySidecar(t, "gateway publishes", as(t, "gateway", "POST /v1.0/publish/pubsub/users.registered", client.Raw(`{}`)), 400, 403, 404)
	for _, app := range []string{"gateway", "users", "products", "notifications"} {
		refusedBySidecar(t, app+" reads the workflows", as(t, app, "GET /v1.0/state/workflows/x", nil), 400, 404, 500)
		refusedBySidecar(t, app+" writes the workflows", as(t, app, "POST /v1.0/state/workflows", client.Raw(`[{"key":"x","value":1}]`)), 400, 404, 500)
	}
	for _, app := range []string{"gateway", "users", "products", "orders"} {
		mail := client.Raw(`{"operation":"create","data":"x","metadata":{"emailTo":"x@example.com"}}`)
		refusedBySidecar(t, app+" sends mail", as(t, app, "POST /v1.0/bindings/email", mail), 400, 404, 500)
	}
}

// TestForbiddenAPIs: the actor APIs, through which an app could reach the workflows of another, are switched off.
func TestForbiddenAPIs(t *testing.T) {
	t.Parallel()
	for _, app := range allApps {
		for _, call := range []string{
			"POST /v1.0/actors/dapr.internal.default.orders.workflow/0192f0c1-2d3e-7abc-8def-0123456789ab/method/AddWorkflowEvent",
			"PUT /v1.0/actors/dapr.internal.default.orders.workflow/x/method/CreateWorkflowInstance",
			"POST /v1.0/actors/dapr.internal.default.orders.workflow/x/reminders/y", "POST /v1.0/shutdown",
		} {
			refusedBySidecar(t, app+" "+call, as(t, app, call, client.Raw(`{}`)), 404)
		}
		token, _ := tokens(t, app)
		conn := grpcSidecar(t, app)
		for _, method := range []string{"InvokeActor", "RegisterActorReminder", "Shutdown"} {
			err := conn.Invoke(metadata.AppendToOutgoingContext(t.Context(), "dapr-api-token", token),
				"/dapr.proto.runtime.v1.Dapr/"+method, message{}, &message{}, grpc.ForceCodec(bytesCodec{}))
			if status.Code(err) != codes.Unimplemented {
				t.Errorf("%s %s: %v", app, method, err)
			}
		}
	}
}
