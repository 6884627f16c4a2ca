package client

import (
	"context"
	"net/http"

	"sidecart/tests/client/api"
)

// API is the client that is generated from the API's document, for the same user. It fails if Base is not a URL.
func (c Client) API() (*api.ClientWithResponses, error) {
	return api.NewClientWithResponses(c.Base, api.WithHTTPClient(c.http()),
		api.WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
			if c.Token != "" {
				req.Header.Set("Authorization", "Bearer "+c.Token)
			}
			return nil
		}))
}
