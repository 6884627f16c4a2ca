// Deploygen writes the files of deployment targets from dapr/dapr.yaml: docker-compose*.yml and what is generated in
// deploy/ and tye/. It is run in the root of the repository.
package main

import (
	"log"
	"os"
	"path/filepath"

	"sidecart/tools/deploygen/deploy"
)

func main() {
	log.SetFlags(0)
	files, err := deploy.Files(".")
	if err != nil {
		log.Fatal(err)
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // public files
			log.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a public file
			log.Fatal(err)
		}
	}
}
