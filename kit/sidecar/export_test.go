package sidecar

import "net/http"

// OpenFor is how long a breaker stays open, FailuresToOpen what opens it.
const (
	OpenFor        = openFor
	FailuresToOpen = failuresToOpen
)

// At is a Sidecar whose HTTP port is a test's server.
func At(addr, token string, client *http.Client) *Sidecar {
	return &Sidecar{HTTPAddr: addr, token: token, http: client}
}
