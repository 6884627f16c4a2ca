package sidecar

import (
	"context"
	"errors"
	"fmt"

	"github.com/dapr/go-sdk/client"
)

// Bind has the sidecar do one operation of the output binding that a component names, and returns its answer. What the
// other side of the binding refuses is in the text of the error.
func (s *Sidecar) Bind(ctx context.Context, name, operation string, data []byte, metadata map[string]string) ([]byte, error) {
	answer, err := s.InvokeBinding(ctx, &client.InvokeBindingRequest{Name: name, Operation: operation, Data: data, Metadata: metadata})
	if err != nil || answer == nil {
		return nil, err
	}
	return answer.Data, nil
}

// ErrNoComponent tells that the sidecar has no component of a name.
var ErrNoComponent = errors.New("no component of that name")

// ComponentType is what stands behind a component here, for example bindings.http. It fails with ErrNoComponent.
func (s *Sidecar) ComponentType(ctx context.Context, name string) (string, error) {
	known, err := s.GetMetadata(ctx)
	if err != nil {
		return "", err
	}
	for _, c := range known.RegisteredComponents {
		if c.Name == name {
			return c.Type, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, ErrNoComponent)
}
