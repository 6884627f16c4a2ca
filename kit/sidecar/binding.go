package sidecar

import (
	"context"

	"github.com/dapr/go-sdk/client"
)

// InvokeBinding invokes an operation of the named output binding and returns the response. The error text has the
// reason of a refusal.
func (s *Sidecar) InvokeBinding(
	ctx context.Context, name, operation string, data []byte, metadata map[string]string,
) ([]byte, error) {
	response, err := s.Client.InvokeBinding(ctx, &client.InvokeBindingRequest{
		Name: name, Operation: operation, Data: data, Metadata: metadata,
	})
	if err != nil || response == nil {
		return nil, err
	}
	return response.Data, nil
}
