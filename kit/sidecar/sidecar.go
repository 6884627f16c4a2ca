// Package sidecar connects an app to its Dapr sidecar: the go-sdk client for secrets, events, state and workflows, and
// HTTP through the sidecar for invoking other apps.
package sidecar

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/dapr/durabletask-go/workflow"
	"github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Names of components that every environment has.
const (
	SecretStore = "secrets"
	PubSub      = "pubsub"
)

// Sidecar is the connection to one sidecar. It survives the sidecar's restarts.
type Sidecar struct {
	client.Client
	// HTTPAddr is the sidecar's HTTP address, host:port.
	HTTPAddr string
	token    string
	http     *http.Client
	breakers sync.Map // app id to *Breaker
	broker   brokerProbe
}

// Connect waits up to a minute for the sidecar that the environment names (DAPR_HTTP_PORT, DAPR_GRPC_PORT,
// DAPR_API_TOKEN). It fails if there is none.
func Connect(ctx context.Context) (*Sidecar, error) {
	httpPort, grpcPort := os.Getenv("DAPR_HTTP_PORT"), os.Getenv("DAPR_GRPC_PORT")
	if httpPort == "" || grpcPort == "" {
		return nil, fmt.Errorf("DAPR_HTTP_PORT and DAPR_GRPC_PORT are not set: start the service beside its sidecar (make run)")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		dapr, err := client.NewClientWithAddressContext(ctx, net.JoinHostPort("127.0.0.1", grpcPort))
		if err == nil {
			return &Sidecar{
				Client: dapr, HTTPAddr: net.JoinHostPort("127.0.0.1", httpPort), token: os.Getenv("DAPR_API_TOKEN"),
				http: &http.Client{Timeout: timeout, Transport: &http.Transport{
					MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, DisableCompression: true,
				}},
			}, nil
		}
		slog.InfoContext(ctx, "waiting for the sidecar", "grpc_port", grpcPort)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the sidecar does not respond on port %s: %w", grpcPort, err)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// Secret reads one secret of the secret store. It fails immediately if the store does not have it, and waits up to a
// minute for the sidecar, which responds once all its components are loaded.
func (s *Sidecar) Secret(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		values, err := s.GetSecret(ctx, SecretStore, name, nil)
		switch {
		case err == nil && values[name] != "":
			return values[name], nil
		case err == nil:
			return "", fmt.Errorf("secret %q is missing or empty in the secret store %q", name, SecretStore)
		case status.Code(err) != codes.Unavailable:
			return "", fmt.Errorf("secret %q cannot be read from the secret store %q: %w", name, SecretStore, err)
		}
		slog.InfoContext(ctx, "waiting for the sidecar", "err", err)
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("secret %q cannot be read from the secret store %q: %w", name, SecretStore, err)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// Publish publishes a CloudEvent in JSON. It returns nil only once the broker has it, and fails after the timeout of
// dapr/resiliency/events.yaml.
func (s *Sidecar) Publish(ctx context.Context, topic string, cloudEvent []byte) error {
	return s.PublishEvent(ctx, PubSub, topic, cloudEvent, client.PublishEventWithContentType("application/cloudevents+json"))
}

// Every schedules a recurring job, such as "@every 30s": the scheduler calls the app at POST /job/<name>. It returns
// once the job is stored, and retries until then or until ctx ends. The job outlives this process. Scheduling it again,
// by any replica, changes nothing.
func (s *Sidecar) Every(ctx context.Context, name, schedule string) error {
	nothing, err := anypb.New(&emptypb.Empty{}) // a job without data is refused
	if err != nil {
		return err
	}
	job := client.NewJob(name, client.WithJobSchedule(schedule), client.WithJobData(nothing))
	job.Overwrite = true
	for {
		attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := s.ScheduleJob(attempt, job)
		cancel()
		if err == nil {
			return nil
		}
		slog.WarnContext(ctx, "job not scheduled, retrying", "job", name, "err", err)
		select {
		case <-ctx.Done():
			return nil // the service ends
		case <-time.After(2 * time.Second):
		}
	}
}

// Workflows returns a client of the sidecar's workflow engine.
func (s *Sidecar) Workflows() *workflow.Client { return workflow.NewClient(s.GrpcClientConn()) }

// Healthy fails if the sidecar or one of its components is unhealthy.
func (s *Sidecar) Healthy(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.HTTPAddr+"/v1.0/healthz/outbound", nil)
	if err != nil {
		return err
	}
	res, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("the sidecar responds %d", res.StatusCode)
	}
	return nil
}
