package sidecar

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sidecart/kit/fault"
)

// ErrConcurrentUpdate is the fault of a value that another request wrote since it was loaded: load it again and retry.
var ErrConcurrentUpdate = fault.New(fault.Conflict, "changed_meanwhile", "concurrent update, retry")

var errState = fault.New(fault.Unavailable, "state_unavailable", "the state store is unavailable").WithRetryAfter(2)

// Load reads a key of a state store into a value, and returns its version for Save and Delete. For a missing key the
// version is empty and the value unchanged.
func (s *Sidecar) Load(ctx context.Context, store, key string, into any) (version string, err error) {
	item, err := s.GetStateWithConsistency(ctx, store, key, nil, client.StateConsistencyStrong)
	if err != nil {
		return "", errState.Wrap(err)
	}
	if len(item.Value) == 0 {
		return "", nil
	}
	if err := json.Unmarshal(item.Value, into); err != nil {
		return "", fmt.Errorf("load %s from %s: %w", key, store, err)
	}
	return item.Etag, nil
}

// Save stores a value as JSON until ttl has passed, if the key still has the loaded version; an empty version means
// that the key is missing. It fails with ErrConcurrentUpdate.
func (s *Sidecar) Save(ctx context.Context, store, key string, value any, version string, ttl time.Duration) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	err = s.SaveBulkState(ctx, store, &client.SetStateItem{
		Key: key, Value: text, Etag: etag(version), Options: firstWins(),
		Metadata: map[string]string{"ttlInSeconds": strconv.Itoa(int(ttl.Seconds()))},
	})
	return s.stateError(ctx, store, key, version, err)
}

// Delete removes a key, if it still has the loaded version. It fails with ErrConcurrentUpdate.
func (s *Sidecar) Delete(ctx context.Context, store, key, version string) error {
	err := s.DeleteStateWithETag(ctx, store, key, etag(version), nil, firstWins())
	return s.stateError(ctx, store, key, version, err)
}

// stateError distinguishes an outdated version from an unavailable store. Stores have different errors for a key that
// should be new and is not, so the key is read.
func (s *Sidecar) stateError(ctx context.Context, store, key, version string, err error) error {
	if err == nil {
		return nil
	}
	if status.Code(err) == codes.Aborted {
		return ErrConcurrentUpdate.Wrap(err)
	}
	if version == "" {
		if item, getErr := s.GetState(ctx, store, key, nil); getErr == nil && item.Etag != "" {
			return ErrConcurrentUpdate.Wrap(err)
		}
	}
	return errState.Wrap(err)
}

func etag(version string) *client.ETag {
	if version == "" {
		return nil
	}
	return &client.ETag{Value: version}
}

func firstWins() *client.StateOptions {
	return &client.StateOptions{Concurrency: client.StateConcurrencyFirstWrite, Consistency: client.StateConsistencyStrong}
}
