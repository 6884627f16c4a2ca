package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sidecart/kit/kittest/contract"
	"sidecart/tests/client"
)

// apiDocs compares the public API document with the documents of the services.
func apiDocs(t *testing.T) {
	type document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Permission string `json:"x-permission"`
		}
	}
	var public document
	must(t, anonymous.Call(t.Context(), "GET /openapi.json", nil, 200, &public))
	if !strings.HasPrefix(public.OpenAPI, "3.1") {
		t.Errorf("version %q", public.OpenAPI)
	}
	for _, service := range []string{"users", "products", "orders", "notifications"} {
		var own document
		must(t, client.Client{Base: running.Address(service)}.Call(t.Context(), "GET /openapi.json", nil, 200, &own))
		for path, operations := range own.Paths {
			for method, operation := range operations {
				at := "/api/v1" + path
				switch {
				case strings.HasPrefix(path, "/.well-known/"):
					at = path
				case strings.HasPrefix(path, "/v2/"):
					at = "/api" + path
				}
				got, ok := public.Paths[at][method]
				if !ok || got.Permission != operation.Permission {
					t.Errorf("%s %s of %s is %q in public and %q in the service", method, at, service, got.Permission, operation.Permission)
				}
			}
		}
	}
	served, err := anonymous.Document(t.Context(), rateLimitScale)
	must(t, err)
	golden := filepath.Join(running.Root, "docs", "openapi.json")
	if *update {
		must(t, os.WriteFile(golden, served, 0o600))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if !bytes.Equal(served, want) {
		t.Error("the gateway does not serve docs/openapi.json: run `make start openapi`")
	}
	for _, base := range []string{anonymous.Base, running.Address("users"), running.Address("products"), running.Address("orders"), running.Address("notifications")} {
		text, err := client.Client{Base: base}.Do(t.Context(), "GET /openapi.json", nil)
		must(t, err)
		if _, err := contract.New(text.Body); err != nil {
			t.Errorf("%s/openapi.json: %v", base, err)
		}
		res, err := client.Client{Base: base}.Do(t.Context(), "GET /docs", nil)
		must(t, err)
		if res.Status != 200 || strings.Contains(string(res.Body), `src="http`) || strings.Contains(string(res.Body), `href="http`) {
			t.Errorf("%s/docs: %d, and it must work offline", base, res.Status)
		}
	}
}

func nothingInternal(t *testing.T) {
	const reservation = "/reservations/0192f0c1-2d3e-7abc-8def-0123456789ab"
	internal := []string{"PUT " + reservation, "POST " + reservation + "/commit", "DELETE " + reservation, "POST /events/orders.placed",
		"POST /events/dead", "GET /dapr/subscribe", "GET /dapr/config", "GET /dead-letters", "POST /job/release-expired-reservations", "GET /metrics"}
	for _, call := range internal {
		method, path, _ := strings.Cut(call, " ")
		for _, prefix := range []string{"", "/api/v1", "/api/v1/products/..", "/v1.0/invoke/products/method"} {
			res, err := admin.Do(t.Context(), method+" "+prefix+path, client.Raw(`{}`))
			must(t, err)
			if res.Status != 404 && res.Status != 400 && res.Status != 405 {
				t.Errorf("%s %s%s at the gateway: %d %s", method, prefix, path, res.Status, res.Body)
			}
		}
	}
	for _, app := range []string{"users", "products", "orders", "notifications"} {
		for _, call := range slices.Concat(internal[:9], []string{"GET /orders", "GET /users/me", "POST /products"}) {
			res, err := client.Client{Base: running.Address(app), Token: admin.Token}.Do(t.Context(), call, client.Raw(`{}`))
			must(t, err)
			if res.Status != http.StatusUnauthorized {
				t.Errorf("%s at the port of %s: %d %s", call, app, res.Status, res.Body)
			}
		}
		dapr := client.Client{Base: fmt.Sprintf("http://127.0.0.1:%d", running.Port(app+"-dapr", "http"))}
		for _, call := range []string{"GET /v1.0/secrets/secrets/JWT_SECRET_KEY", "GET /v1.0/metadata", "POST /v1.0/publish/pubsub/orders.paid"} {
			res, err := dapr.Do(t.Context(), call, client.Raw(`{}`))
			must(t, err)
			if res.Status != http.StatusUnauthorized {
				t.Errorf("%s at the sidecar of %s: %d %s", call, app, res.Status, res.Body)
			}
		}
	}
}
