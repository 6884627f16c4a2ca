package sidecar

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sidecart/kit/fault"
)

// ErrFileNotFound tells that a store of files has none of that name.
var ErrFileNotFound = fault.New(fault.NotFound, "no_such_file", "there is no such file")

// Files is a store of files behind a binding, whichever it is: a folder, S3 or Azure Blob. A file is at most 3.5 MiB, which
// every sidecar carries.
type Files struct {
	dapr *Sidecar
	name string
}

// Files are those of a binding component.
func (s *Sidecar) Files(component string) Files { return Files{s, component} }

// Put keeps a file under a name, in place of one that was there.
func (f Files) Put(ctx context.Context, name string, data []byte) error {
	_, err := f.invoke(ctx, "create", name, data)
	return err
}

// Get reads a file. It fails with ErrFileNotFound.
func (f Files) Get(ctx context.Context, name string) ([]byte, error) {
	return f.invoke(ctx, "get", name, nil)
}

// Delete removes a file; one that is not there is removed.
func (f Files) Delete(ctx context.Context, name string) error {
	_, err := f.invoke(ctx, "delete", name, nil)
	if errors.Is(err, ErrFileNotFound) {
		return nil
	}
	return err
}

func (f Files) invoke(ctx context.Context, operation, name string, data []byte) ([]byte, error) {
	// Each kind of store has its own word for the name of a file, and overlooks those of others.
	metadata := map[string]string{"fileName": name, "key": name, "blobName": name}
	answer, err := f.dapr.InvokeBinding(ctx, f.name, operation, data, metadata)
	switch {
	case err != nil && isNoFile(err):
		return nil, ErrFileNotFound.Wrap(err)
	case err != nil:
		return nil, ErrUpstream.Wrap(fmt.Errorf("%s: %w", f.name, err))
	}
	return answer, nil
}

// isNoFile knows the words of bindings.localstorage (get, delete), bindings.aws.s3 and bindings.azure.blobstorage in
// components-contrib v1.18.3: they have no code in common. A bucket or container that is missing has other words.
func isNoFile(err error) bool {
	text := err.Error()
	return strings.Contains(text, ": file not found: ") ||
		strings.Contains(text, ": error deleting file ") && strings.HasSuffix(text, ": no such file or directory") ||
		strings.HasSuffix(text, ": object not found") || strings.HasSuffix(text, ": blob not found")
}
