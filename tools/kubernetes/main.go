// Kubernetes writes the JSON schemas against which the files of deploy/kubernetes are checked, from the pinned modules
// of Kubernetes, Dapr and the Prometheus operator. It is run in its own folder, by `make schemas`.
package main

import (
	"log"
	"os"
	"path/filepath"

	"sidecart/tools/deploygen/deploy"
	"sidecart/tools/kubernetes/manifest"
	"sidecart/tools/kubernetes/schema"
)

const (
	root    = "../.."
	schemas = "schemas"
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	platform, err := deploy.Read(root)
	if err != nil {
		return err
	}
	kinds, err := manifest.Kinds(root)
	if err != nil {
		return err
	}
	files, err := schema.Make(kinds, platform.Dapr)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(schemas); err != nil {
		return err
	}
	if err := os.MkdirAll(schemas, 0o755); err != nil { //nolint:gosec // public files
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(schemas, name), text, 0o644); err != nil { //nolint:gosec // a public file
			return err
		}
	}
	return nil
}
