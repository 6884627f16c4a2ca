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

// ErrConcurrentUpdate tells that somebody else wrote a value since it was loaded: load it again and decide anew.
var ErrConcurrentUpdate = fault.New(fault.Conflict, "changed_meanwhile", "it was changed by somebody else at the same moment")

var errState = fault.New(fault.Unavailable, "state_unavailable", "what is remembered cannot be reached at the moment").WithRetryAfter(2)

// Load reads a key of a state store into a value. The version it answers is for Save and Drop; it is empty, and the value
// is left as it was, where there is nothing.
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

// Save keeps a value as JSON for a time, if the key still has the version that was loaded; an empty version is a key that
// is not there. It fails with ErrChanged.
func (s *Sidecar) Save(ctx context.Context, store, key string, value any, version string, ttl time.Duration) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	err = s.SaveBulkState(ctx, store, &client.SetStateItem{
		Key: key, Value: text, Etag: etag(version), Options: firstWins(),
		Metadata: map[string]string{"ttlInSeconds": strconv.Itoa(int(ttl.Seconds()))},
	})
	return s.refused(ctx, store, key, version, err)
}

// Delete removes a key, if it still has the version that was loaded. It fails with ErrChanged.
func (s *Sidecar) Delete(ctx context.Context, store, key, version string) error {
	err := s.DeleteStateWithETag(ctx, store, key, etag(version), nil, firstWins())
	return s.refused(ctx, store, key, version, err)
}

// refused tells a version that is not the key's any more from a store that is away. Where a key was to be new, stores say
// it each in their way, so the key itself is asked.
func (s *Sidecar) refused(ctx context.Context, store, key, version string, err error) error {
	if err == nil {
		return nil
	}
	if status.Code(err) == codes.Aborted {
		return ErrConcurrentUpdate.Wrap(err)
	}
	if version == "" {
		if item, askErr := s.GetState(ctx, store, key, nil); askErr == nil && item.Etag != "" {
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
