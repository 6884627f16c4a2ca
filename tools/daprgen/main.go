// Daprgen generates files from the code: dapr/config/, the topics in components/ and docs/events.md.
package main

import (
	"log"
	"os"
	"path/filepath"

	"sidecart/tools/daprgen/access"
	"sidecart/tools/daprgen/source"
)

func main() {
	log.SetFlags(0)
	t := &terminal{}
	files := access.Files(t)
	if t.failed {
		os.Exit(1)
	}
	for path, text := range files {
		path = filepath.Join(source.Root(t), filepath.FromSlash(path))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a public file
			log.Fatal(err)
		}
	}
}

// terminal is the source.T of a program.
type terminal struct{ failed bool }

// Helper is for tests.
func (*terminal) Helper() {}

// Errorf reports an error; no file is written then.
func (t *terminal) Errorf(format string, args ...any) {
	log.Printf(format, args...)
	t.failed = true
}

// Fatalf ends the program.
func (*terminal) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
