package platform

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"sidecart/kit/kittest/contract"
	"sidecart/tests/client"
)

// checkContract compares each exchange of a client with p's gateway with docs/openapi.json. The end-to-end test shows
// that the gateway serves that document. The function returned lists the differences so far, each once.
func checkContract(p *Platform) (differences func() []string, err error) {
	text, err := os.ReadFile(filepath.Join(p.Root, "docs", "openapi.json"))
	if err != nil {
		return nil, err
	}
	document, err := contract.New(text)
	if err != nil {
		return nil, err
	}
	gateway := strings.TrimPrefix(p.URL(), "http://")
	var mu sync.Mutex
	found := map[string]bool{}
	client.Observe = func(req *http.Request, body []byte, res *http.Response, text []byte) {
		if req.URL.Host != gateway {
			return
		}
		err := document.Check(contract.Exchange{Request: req, RequestBody: body, Response: res, ResponseBody: text})
		if errors.Is(err, contract.ErrUndocumented) && (!isOperation(req) || res.StatusCode >= http.StatusBadRequest) {
			return
		}
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			found[fmt.Sprintf("%s %s: %v", req.Method, req.URL.Path, err)] = true
		}
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		var all []string
		for text := range found {
			all = append(all, text)
		}
		slices.Sort(all)
		return all
	}, nil
}

// isOperation reports whether a request must be documented if the gateway accepts it. Pages and their files need not
// be.
func isOperation(req *http.Request) bool {
	return strings.HasPrefix(req.URL.Path, "/api/") && req.Method != http.MethodHead && req.Method != http.MethodOptions
}
