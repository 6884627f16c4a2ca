// Openapi writes the API's document, docs/openapi.json, as a running platform serves it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"sidecart/tests/client"
)

func main() {
	base := flag.String("url", "http://localhost:8000", "the address of a platform that `make run` started")
	scale := flag.Int("scale", 10, "the RATE_LIMIT_SCALE of that platform")
	flag.Parse()
	document, err := client.Client{Base: *base}.Document(context.Background(), *scale)
	if err == nil {
		err = os.WriteFile("docs/openapi.json", document, 0o644) //nolint:gosec // everyone may read it
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}
