package sidecar

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sidecart/kit/fault"
)

// ErrFileNotFound is the fault of a name that the file store does not have.
var ErrFileNotFound = fault.New(fault.NotFound, "no_such_file", "there is no such file")

// Files is a file store behind a binding: a folder, S3 or Azure Blob. A file is at most 3.5 MiB, which every sidecar
// transports.
type Files struct {
	dapr *Sidecar
	name string
}

// Files returns the file store of a binding component.
func (s *Sidecar) Files(component string) Files { return Files{s, component} }

// Put stores a file under a name and replaces an existing one.
func (f Files) Put(ctx context.Context, name string, data []byte) error {
	_, err := f.invoke(ctx, "create", name, data)
	return err
}

// Get reads a file. It fails with ErrFileNotFound.
func (f Files) Get(ctx context.Context, name string) ([]byte, error) {
	return f.invoke(ctx, "get", name, nil)
}

// Delete removes a file. It succeeds if there is none.
func (f Files) Delete(ctx context.Context, name string) error {
	_, err := f.invoke(ctx, "delete", name, nil)
	if errors.Is(err, ErrFileNotFound) {
		return nil
	}
	return err
}

func (f Files) invoke(ctx context.Context, operation, name string, data []byte) ([]byte, error) {
	// Each kind of store has its own metadata key for the file name and ignores the others.
	metadata := map[string]string{"fileName": name, "key": name, "blobName": name}
	content, err := f.dapr.InvokeBinding(ctx, f.name, operation, data, metadata)
	switch {
	case err != nil && isFileNotFound(err):
		return nil, ErrFileNotFound.Wrap(err)
	case err != nil:
		return nil, ErrUpstream.Wrap(fmt.Errorf("%s: %w", f.name, err))
	}
	return content, nil
}

// isFileNotFound matches the error texts of bindings.localstorage (get, delete), bindings.aws.s3 and
// bindings.azure.blobstorage in components-contrib v1.18.3, which have no common code. A missing bucket or container
// has another text.
func isFileNotFound(err error) bool {
	text := err.Error()
	return strings.Contains(text, ": file not found: ") ||
		strings.Contains(text, ": error deleting file ") && strings.HasSuffix(text, ": no such file or directory") ||
		strings.HasSuffix(text, ": object not found") || strings.HasSuffix(text, ": blob not found")
}
