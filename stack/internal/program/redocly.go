package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/proc"
	"sidecart/stack/internal/progress"
)

const minNode = 20

// Redocly installs the linter of OpenAPI documents that tools/openapi pins, unless it is up to date, and returns its
// path. It fails with ErrMissing on a machine without Node.js.
func Redocly(ctx context.Context, i instance.Instance, log *progress.Log) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil || major(ctx, "node") < minNode {
		return "", fmt.Errorf("node %d or newer, with npm: %w", minNode, ErrMissing)
	}
	dir := filepath.Join(i.Bin(), "redocly")
	path := filepath.Join(dir, "node_modules", ".bin", "redocly")
	target := target{module: "openapi", name: "openapi.redocly", programs: []string{path}}
	return path, target.ensure(i, func() error {
		pins := os.DirFS(filepath.Join(i.Root, "tools", target.module))
		if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, pins)); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		return log.Step("installing redocly", "linting docs/openapi.json; this happens once", func() error { return proc.Run(cmd) })
	})
}
