package image

import (
	"context"

	"sidecart/kit/sidecar"
)

// Files is a file store. Put replaces a file, Get fails with sidecar.ErrFileNotFound, and Delete succeeds without a
// file.
type Files struct {
	Put    func(ctx context.Context, name string, data []byte) error
	Get    func(ctx context.Context, name string) ([]byte, error)
	Delete func(ctx context.Context, name string) error
}

// NewFiles returns the file store behind the binding "images".
func NewFiles(dapr *sidecar.Sidecar) Files {
	files := dapr.Files("images")
	return Files{Put: files.Put, Get: files.Get, Delete: files.Delete}
}
