package client

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// Observe gets each exchange of all clients. It is set before the first call, or never.
var Observe func(req *http.Request, requestBody []byte, res *http.Response, responseBody []byte)

// observed is a transport whose exchanges Observe gets. It reads response bodies to their end.
type observed struct{ http.RoundTripper }

func (o observed) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := o.RoundTripper.RoundTrip(req)
	if err != nil || Observe == nil {
		return res, err
	}
	var sent []byte
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		if sent, err = io.ReadAll(body); err != nil {
			return nil, err
		}
	}
	received, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(received))
	Observe(req, sent, res, received)
	return res, nil
}
