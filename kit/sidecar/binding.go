package sidecar

import (
	"context"

	"github.com/dapr/go-sdk/client"
)

// InvokeBinding has the sidecar do one operation of the output binding that a component names, and returns its answer. What the
// other side of the binding refuses is in the text of the error.
func (s *Sidecar) InvokeBinding(ctx context.Context, name, operation string, data []byte, metadata map[string]string) ([]byte, error) {
	answer, err := s.Client.InvokeBinding(ctx, &client.InvokeBindingRequest{Name: name, Operation: operation, Data: data, Metadata: metadata})
	if err != nil || answer == nil {
		return nil, err
	}
	return answer.Data, nil
}
