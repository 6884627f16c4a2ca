package image

import (
	"context"

	"sidecart/kit/sidecar"
)

// Files is where the files are kept. Put replaces, Get fails with sidecar.ErrFileNotFound, Delete does not mind if there is none.
type Files struct {
	Put    func(ctx context.Context, name string, data []byte) error
	Get    func(ctx context.Context, name string) ([]byte, error)
	Delete func(ctx context.Context, name string) error
}

// component is the binding's name in every environment.
const component = "images"

// NewFiles keeps them behind the sidecar's binding.
func NewFiles(dapr *sidecar.Sidecar) Files {
	files := dapr.Files(component)
	return Files{Put: files.Put, Get: files.Get, Delete: files.Delete}
}
