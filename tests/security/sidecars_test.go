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

var everyApp = []string{"gateway", "users", "products", "orders", "notifications"}

// sidecar is a client of an app's sidecar, as whoever knows the token; nobody does but the app, and these tests.
func sidecar(app string) client.Client {
	return client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", running.Port(app+"-dapr", "http"))}
}

// tokens are what an app shows its sidecar, and its sidecar it.
func tokens(t *testing.T, app string) (dapr, own string) {
	t.Helper()
	dapr, own, err := running.Token(app)
	must(t, err)
	if len(dapr) < 32 || len(own) < 32 || dapr == own {
		t.Fatalf("%s has the tokens %q and %q", app, dapr, own)
	}
	return dapr, own
}

// as calls an app's sidecar as that app would.
func as(t *testing.T, app, call string, body any, headers ...string) client.Answer {
	t.Helper()
	token, _ := tokens(t, app)
	return do(t, sidecar(app), call, body, append(headers, "dapr-api-token", token)...)
}

// invoke has an app ask another one through both sidecars.
func invoke(t *testing.T, by, of, call string, headers ...string) client.Answer {
	t.Helper()
	return as(t, by, call, client.Raw(`{}`), append(headers, "dapr-app-id", of)...)
}

// turnedAway fails the test unless a sidecar refuses, without showing how it is made.
func turnedAway(t *testing.T, what string, a client.Answer, want ...int) {
	t.Helper()
	if !slices.Contains(want, a.Status) {
		t.Errorf("%s: %d, want %v: %.300s", what, a.Status, want, a.Body)
	}
	for _, word := range []string{"goroutine ", ".go:", "panic", "runtime error", "/pkg/mod/"} {
		if strings.Contains(string(a.Body), word) {
			t.Errorf("%s: the answer tells of %q: %.500s", what, word, a.Body)
		}
	}
}

// TestSidecarsAnswerOnlyTheirApp: without the token of its app, or with that of another, a sidecar does nothing for anybody.
func TestSidecarsAnswerOnlyTheirApp(t *testing.T) {
	t.Parallel()
	calls := []string{
		"GET /v1.0/secrets/secrets/JWT_SECRET_KEY", "GET /v1.0/secrets/secrets/bulk", "POST /v1.0/publish/pubsub/orders.paid",
		"PUT /v1.0/invoke/products/method/reservations/1", "GET /v1.0/invoke/users/method/.well-known/jwks.json", "GET /v1.0/metadata",
		"PUT /v1.0/metadata/x", "POST /v1.0/shutdown", "GET /v1.0/state/workflows/x", "POST /v1.0/state/workflows",
		"POST /v1.0/bindings/sms", "POST /v1.0/jobs/x", "POST /v1.0-alpha1/jobs/x", "GET /v1.0-alpha1/jobs/x", "DELETE /v1.0-alpha1/jobs/x",
		"POST /v1.0/workflows/dapr/fulfil/start", "POST /v1.0/workflows/dapr/x/terminate", "GET /v1.0/configuration/configuration", "POST /v1.0/actors/x/1/method/y",
	}
	for i, app := range everyApp {
		theirs, own := tokens(t, everyApp[(i+1)%len(everyApp)])
		for _, call := range calls {
			for what, token := range map[string]string{"no token": "", "another app's token": theirs, "another sidecar's token": own, "a made-up token": strings.Repeat("a", 48)} {
				var headers []string
				if token != "" {
					headers = []string{"dapr-api-token", token}
				}
				turnedAway(t, app+" "+call+" with "+what, do(t, sidecar(app), call, client.Raw(`{}`), headers...), 401)
			}
		}
		platform.Eventually(t, 30*time.Second, func() error { // whether it lives, everybody may know
			return do(t, sidecar(app), "GET /v1.0/healthz", nil).Into(204, nil)
		})
	}
}

// TestSidecarsAnswerOnlyTheirAppOverGRPC is the same at the other port, which has the workflow engine as well.
func TestSidecarsAnswerOnlyTheirAppOverGRPC(t *testing.T) {
	t.Parallel()
	theirs, _ := tokens(t, "users")
	for _, app := range []string{"gateway", "products", "orders", "notifications"} {
		conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", running.Port(app+"-dapr", "grpc")), grpc.WithTransportCredentials(insecure.NewCredentials()))
		must(t, err)
		defer conn.Close() //nolint:errcheck // a test's end
		for _, method := range []string{
			"/dapr.proto.runtime.v1.Dapr/GetSecret", "/dapr.proto.runtime.v1.Dapr/GetBulkSecret", "/dapr.proto.runtime.v1.Dapr/PublishEvent",
			"/dapr.proto.runtime.v1.Dapr/InvokeService", "/dapr.proto.runtime.v1.Dapr/GetMetadata",
			"/dapr.proto.runtime.v1.Dapr/ScheduleJob", "/dapr.proto.runtime.v1.Dapr/ScheduleJobAlpha1", "/dapr.proto.runtime.v1.Dapr/InvokeBinding", "/dapr.proto.runtime.v1.Dapr/StartWorkflowBeta1",
			"/TaskHubSidecarService/StartInstance", "/TaskHubSidecarService/TerminateInstance", "/TaskHubSidecarService/Hello",
		} {
			for what, token := range map[string]string{"no token": "", "another app's token": theirs} {
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

// TestAppsAnswerOnlyTheirSidecar: an app's own port takes no event, no job, no mail, no question and no order from whoever is not
// its sidecar, whatever bearer comes with it.
func TestAppsAnswerOnlyTheirSidecar(t *testing.T) {
	t.Parallel()
	root := admin(t)
	calls := []string{
		"GET /dapr/subscribe", "GET /dapr/config", "POST /events/dead", "POST /job/resume-stuck-orders", "POST /job/x", "POST /email", "OPTIONS /email",
		"PUT /reservations/0192f0c1-2d3e-7abc-8def-0123456789ab", "DELETE /reservations/0192f0c1-2d3e-7abc-8def-0123456789ab", "POST /mail-tokens/x",
		"GET /revocations", "GET /orders", "POST /orders", "GET /users", "GET /products", "GET /notifications", "POST /auth/login", "GET /nothing",
	}
	for _, told := range shop.Events {
		calls = append(calls, "POST /events/"+told.Event.Topic())
	}
	for i, app := range everyApp[1:] { // the gateway's port is the public door
		another := everyApp[1:][(i+1)%4]
		foreign, ownOfAnother := tokens(t, another)
		dapr, _ := tokens(t, app)
		direct := client.Client{Base: running.Address(app), Token: root.Token}
		for _, call := range calls {
			for what, token := range map[string]string{"no token": "", "its own token for the sidecar": dapr, "another app's": foreign, "another sidecar's": ownOfAnother} {
				var headers []string
				if token != "" {
					headers = []string{"dapr-api-token", token, "dapr-app-id", app, "dapr-caller-app-id", "gateway"}
				}
				refused(t, app+" "+call+" with "+what, do(t, direct, call, client.Raw(`{}`), headers...), "sidecar_token", 401)
			}
		}
	}
}

// TestForbiddenQuestions: an app that was taken over asks others, through its own sidecar and with its own token, what its
// part in the shop does not include.
// blocked is how many calls an app's sidecar has refused by its list, as its metrics tell operators.
// TestForbiddenTopics: an app tells its own events and no others, and nobody makes up a topic.
// TestForbiddenEars: nor does an app hear what it does not have to. It asks for a stream of a topic.
// TestForbiddenSecrets: an app reads its own secrets and no others, one by one or all at once.
// TestForbiddenComponents: an app uses no component that is not meant for it.
// TestForbiddenAPIs: over the API of actors an app would reach the workflows of another, past its access list.
