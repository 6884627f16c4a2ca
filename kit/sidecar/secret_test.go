package sidecar

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// secretStore is a sidecar's client that only returns secrets.
type secretStore struct {
	client.Client
	responses []func() (map[string]string, error) // one after the other; the last one stays
	requests  int
}

func (s *secretStore) GetSecret(context.Context, string, string, map[string]string) (map[string]string, error) {
	respond := s.responses[min(s.requests, len(s.responses)-1)]
	s.requests++
	return respond()
}

// refuses responds with an error in the form that the SDK gives it.
func refuses(code codes.Code, message string) func() (map[string]string, error) {
	return func() (map[string]string, error) {
		return nil, fmt.Errorf("error invoking service: %w", status.Error(code, message))
	}
}

func holds(values map[string]string) func() (map[string]string, error) {
	return func() (map[string]string, error) { return values, nil }
}

func TestSecretThatIsMissingFailsImmediately(t *testing.T) {
	for name, respond := range map[string]func() (map[string]string, error){
		"the store does not have it": refuses(codes.Internal, "failed getting secret: secret payment-webhook-key not found"),
		"the store has it empty":     holds(map[string]string{"payment-webhook-key": ""}),
		"another key":                holds(map[string]string{"value": "x"}),
		"not for this app":           refuses(codes.PermissionDenied, "access denied by policy"),
		"no such store":              refuses(codes.InvalidArgument, "failed finding secret store with key secrets"),
	} {
		t.Run(name, func(t *testing.T) {
			store := &secretStore{responses: []func() (map[string]string, error){respond}}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			value, err := (&Sidecar{Client: store}).Secret(ctx, "payment-webhook-key")
			if err == nil || value != "" || ctx.Err() != nil || store.requests != 1 {
				t.Fatalf("%d requests, deadline %v: %q %v", store.requests, ctx.Err(), value, err)
			}
			for _, part := range []string{`secret "payment-webhook-key"`, `secret store "secrets"`} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("no %s in %q", part, err)
				}
			}
			if strings.Contains(err.Error(), "%!") {
				t.Errorf("%q", err)
			}
		})
	}
}

func TestSecretWaitsForASidecarThatDoesNotRespondYet(t *testing.T) {
	store := &secretStore{responses: []func() (map[string]string, error){
		refuses(codes.Unavailable, "connection refused"), refuses(codes.Unavailable, "connection refused"),
		holds(map[string]string{"redis-password": "pw"}),
	}}
	if value, err := (&Sidecar{Client: store}).Secret(t.Context(), "redis-password"); err != nil || value != "pw" {
		t.Errorf("%q %v", value, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	unavailable := &secretStore{responses: []func() (map[string]string, error){refuses(codes.Unavailable, "connection refused")}}
	_, err := (&Sidecar{Client: unavailable}).Secret(ctx, "redis-password")
	if err == nil || !strings.Contains(err.Error(), `secret "redis-password"`) || unavailable.requests < 2 {
		t.Errorf("%d requests: %v", unavailable.requests, err)
	}
}
